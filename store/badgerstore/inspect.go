package badgerstore

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/badger/v4/y"
	"github.com/dgraph-io/ristretto/v2/z"

	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// damaged is what Open says of a store whose keys cannot be used as they are.
// The records are not touched.
func damaged(what string) error {
	return fmt.Errorf("%w: %s; moa store repair makes the index anew from the events, which have files of their own", store.ErrDamaged, what)
}

// folder is which files there are.
type folder struct {
	manifest bool
	tables   map[uint64]string // by number
	events   bool              // files of records
	journal  bool              // with something in it
}

func readDir(dir string) (f folder, err error) {
	f.tables = map[uint64]string{}
	files, err := os.ReadDir(dir)
	for _, file := range files {
		name := file.Name()
		switch {
		case name == badger.ManifestFilename:
			f.manifest = true
		case strings.HasSuffix(name, ".sst"):
			if id, ok := table.ParseFileID(name); ok {
				f.tables[id] = filepath.Join(dir, name)
			}
		case records.IsSegment(name):
			f.events = true
		case strings.HasPrefix(name, "journal."):
			info, err := file.Info()
			f.journal = f.journal || err == nil && info.Size() > 0
		}
	}
	return f, err
}

// inspect reads Badger's files before Badger does, which ends the process over
// some that are damaged, and changes others. It changes nothing.
func inspect(o *Options) error {
	f, err := readDir(o.Dir)
	if err != nil {
		return err
	}
	if !f.manifest {
		if f.events || f.journal || len(f.tables) > 0 {
			return damaged("the file MANIFEST is missing")
		}
		if o.Existing {
			return ErrNoStore
		}
		return nil
	}
	have, err := f.inspectTables(o.Dir, verifyBytes)
	switch {
	case err != nil:
		return damaged(err.Error())
	case have > formatVersion:
		return newerFormat(have)
	case o.Existing && have > 0 && have < formatVersion:
		return older(have)
	}
	return nil
}

// verifyBytes is how much of the tables is read whole when a store is opened; what
// is larger than that takes too long.
const verifyBytes = 256 << 20

// inspectTables opens the tables that the manifest names, reads so many bytes of them
// whole, and returns the version of the format that they tell; 0: none.
func (f *folder) inspectTables(dir string, verify int64) (have uint32, err error) {
	defer func() {
		if r := recover(); r != nil { // bytes that Badger does not expect
			first, _, _ := strings.Cut(fmt.Sprint(r), "\n")
			err = fmt.Errorf("the index cannot be read: %s", first)
		}
	}()
	m, err := readManifest(filepath.Join(dir, badger.ManifestFilename))
	if err != nil {
		return 0, err
	}
	var newest uint64
	for _, id := range slices.Sorted(maps.Keys(m.Tables)) {
		name, ok := f.tables[id]
		if !ok {
			return 0, fmt.Errorf("the file %06d.sst is missing", id)
		}
		version, at, err := inspectTable(name, m.Tables[id].Compression, &verify)
		if err != nil {
			return 0, fmt.Errorf("the file %s: %w", filepath.Base(name), err)
		}
		if at > newest {
			have, newest = version, at
		}
	}
	return have, nil
}

// readManifest reads the list of the tables. A crash may have torn its end; that
// something whole comes behind that is damage.
func readManifest(name string) (m badger.Manifest, err error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return m, err
	}
	file, err := os.Open(name)
	if err != nil {
		return m, err
	}
	defer file.Close()
	m, end, err := badger.ReplayManifestFile(file, 0, badger.DefaultOptions(""))
	if err != nil {
		return m, fmt.Errorf("the file MANIFEST: %w", err)
	}
	for at := int(end) + 1; at+8 < len(b); at++ {
		length, sum := int(binary.BigEndian.Uint32(b[at:])), binary.BigEndian.Uint32(b[at+4:])
		if rest := b[at+8:]; length > 0 && length <= len(rest) && sum == crc32.Checksum(rest[:length], castagnoli) {
			return m, errors.New("the file MANIFEST is damaged in its middle")
		}
	}
	return m, nil
}

// inspectTable opens a table, reads it whole if left allows it, and returns the
// version of the format that it tells, and how new that is.
func inspectTable(name string, c options.CompressionType, left *int64) (have uint32, newest uint64, err error) {
	file, err := z.OpenMmapFile(name, os.O_RDONLY, 0)
	if err != nil {
		return 0, 0, err
	}
	o := table.Options{ReadOnly: true, Compression: c, BlockSize: 4096}
	if *left -= int64(len(file.Data)); *left >= 0 {
		o.ChkMode = options.OnTableRead
	}
	t, err := table.OpenTable(file, o)
	if err != nil {
		return 0, 0, err
	}
	defer t.Close(-1)
	it := t.NewIterator(0)
	defer it.Close()
	it.Seek(y.KeyWithTs(versionKey, math.MaxUint64))
	if !it.Valid() || !y.SameKey(it.Key(), y.KeyWithTs(versionKey, 0)) {
		return 0, 0, nil
	}
	if v := it.Value().Value; len(v) == 4 {
		return binary.BigEndian.Uint32(v), y.ParseTs(it.Key()), nil
	}
	return 0, 0, nil
}
