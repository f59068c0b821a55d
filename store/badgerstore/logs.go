package badgerstore

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Badger's logs (*.mem, *.vlog) are written behind the journal, and synced by a
// checkpoint. What the kernel could not write to the disk it forgets, and says so
// once: the next sync of the same file succeeds. So a log whose sync has failed is
// never believed again. Badger is made to put a table in its place, which it
// builds from memory, and the journal goes on until the log is gone.

// distrusted are the logs whose sync has failed and that are still there; true:
// Badger was made to replace them. Guarded by Store.checkpointing.
type distrusted map[string]bool

var errDistrusted = errors.New("badger keeps a log that could not be synced")

// syncLogs makes durable what Badger was given: the logs, and the values that are
// in files of their own. It syncs its other files itself, before it removes a
// log that they replace.
func (s *Store) syncLogs(names []string) error {
	values, err := filesOf(s.opt.Dir, ".vlog")
	if err != nil {
		return err
	}
	for _, name := range values {
		if holdsValues(name) {
			names = append(names, name)
		}
	}
	err = s.replaceLogs()
	for _, name := range names {
		if _, known := s.distrusted[name]; known {
			continue
		}
		if e := s.syncFile(name); e != nil && !errors.Is(e, fs.ErrNotExist) {
			s.distrusted[name] = false
			err = errors.Join(err, e)
		}
	}
	if err != nil {
		return err
	}
	return s.syncFile(s.opt.Dir)
}

// replaceLogs has Badger replace the logs that are not trusted. Without an error
// there is none any more.
func (s *Store) replaceLogs() error {
	if len(s.distrusted) == 0 {
		return nil
	}
	due := false
	for _, replaced := range s.distrusted {
		due = due || !replaced
	}
	if due {
		if err := s.fillMemtable(); err != nil {
			return fmt.Errorf("%w: %w", errDistrusted, err)
		}
		for name := range s.distrusted {
			s.distrusted[name] = true
		}
	}
	for deadline := time.Now().Add(replaceWait); ; time.Sleep(replacePoll) {
		for name := range s.distrusted {
			if !there(name) {
				delete(s.distrusted, name)
			}
		}
		if len(s.distrusted) == 0 {
			return nil
		}
		if time.Now().After(deadline) {
			return errDistrusted
		}
	}
}

// How long Badger is waited for while it makes a table, and how often it is
// looked whether it has.
const (
	replaceWait = 5 * time.Second
	replacePoll = 10 * time.Millisecond
)

// fillerKey is written until Badger's memtable is full: there is no other way to
// have it make a table of one. Nobody reads it.
var fillerKey = []byte("mfiller")

const fillerBytes = 512 << 10

func (s *Store) fillMemtable() error {
	size := s.db.Opts().MemTableSize
	if s.opt.ReserveMB > 0 {
		if err := s.room(s.opt.ReserveMB/2 + int(2*size>>20)); err != nil {
			return err
		}
	}
	s.backlog.flushing.Lock()
	defer s.backlog.flushing.Unlock()
	version := s.versions.next()
	filler := []write{{key: fillerKey, value: make([]byte, fillerBytes)}}
	for range size/fillerBytes + 1 {
		if err := writeFew(s.db, filler, version); err != nil {
			return err
		}
	}
	version++
	err := writeFew(s.db, []write{{key: fillerKey, remove: true}}, version)
	s.versions.committed(version)
	return err
}

// holdsValues reports whether a file of values has any: behind its head,
// that is, which a store of format 4 never writes to.
func holdsValues(name string) bool {
	f, err := os.Open(name)
	if err != nil {
		return true // syncing it will tell
	}
	defer f.Close()
	var b [64]byte
	n, _ := f.Read(b[:])
	return n > logHead && len(bytes.Trim(b[logHead:n], "\x00")) > 0
}

func syncFile(name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}

// logs are the write-ahead logs of Badger that may hold what the frames before
// end have. A busy Badger soon makes tables of them, and removes them: to sync
// them would be in vain.
type logs struct {
	names []string
	end   uint64
}

// filesOf returns the names of dir's files that end so. (A pattern could not name
// any dir.)
func filesOf(dir, suffix string) (names []string, err error) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, f := range files {
		if strings.HasSuffix(f.Name(), suffix) {
			names = append(names, filepath.Join(dir, f.Name()))
		}
	}
	return names, nil
}

func there(name string) bool {
	_, err := os.Stat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
