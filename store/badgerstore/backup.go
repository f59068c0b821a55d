package badgerstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	badger "github.com/dgraph-io/badger/v4"

	"moa/store/badgerstore/internal/records"
)

// A backup is the files of records as they were at one point in time, what is
// known of the removed, and what its owner adds; and last of all a manifest with
// the length and the sum of each. The keys are not in it: they follow from the
// records (see Repair).

// BackupManifest is the name of the manifest: a line of JSON, and one with its
// sum.
const BackupManifest = "backup.json"

// Manifest says what a backup has.
type Manifest struct {
	Version int            `json:"moa_backup"` // of the manifest
	Format  int            `json:"store_format"`
	Taken   time.Time      `json:"taken"`
	Events  uint64         `json:"events"`
	Files   []ManifestFile `json:"files"`
}

// ManifestFile is one of the files.
type ManifestFile struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"`
	Sum   string `json:"crc32c"`
}

const manifestVersion = 1

// Backup is a store at one point in time, to be written while it goes on.
type Backup struct {
	Taken   time.Time
	Events  uint64
	records *records.Snapshot
	notes   *os.File // nil: none
	files   []*BackupFile
}

// BackupFile is a file of a backup.
type BackupFile struct {
	Name string
	Size int64
	open func() (io.Reader, error)
	link func(path string) bool // gives it another name, if it can; nil: it cannot
	of   *records.Copy
}

// Backup takes a backup's point in time: everything committed before the call is
// in it, and nothing that comes later. Commits wait for a moment.
func (s *Store) Backup() (*Backup, error) {
	b, err := s.snapshot()
	if err != nil {
		return nil, err
	}
	b.Events = b.records.Living() // which takes longer than that
	names, contents := b.records.DeadFiles()
	for i, name := range names {
		b.Add(name, contents[i])
	}
	for _, c := range b.records.Files {
		b.files = append(b.files, &BackupFile{Name: c.Name, Size: c.Size(), open: c.Reader, link: c.Link, of: c})
	}
	return b, nil
}

func (s *Store) snapshot() (*Backup, error) {
	s.write.Lock()
	defer s.write.Unlock()
	gate, err := s.life.begin()
	if err != nil {
		return nil, err
	}
	defer gate.RUnlock()
	snap, err := s.records.Snapshot()
	if err != nil {
		return nil, err
	}
	b := &Backup{Taken: time.Now().UTC(), records: snap}
	if err := b.addNotes(filepath.Join(s.opt.Dir, notesName)); err != nil {
		return nil, errors.Join(err, b.Close())
	}
	return b, nil
}

// addNotes puts in what the file of notes has now; it may be replaced or go on at any
// time. A collection appends to it before it drops records, so that what their files
// lack is in it, if it is looked at after them.
func (b *Backup) addNotes(path string) (err error) {
	b.notes, err = os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	info, err := b.notes.Stat()
	if err != nil {
		return err
	}
	b.files = append(b.files, &BackupFile{Name: notesName, Size: info.Size(), open: func() (io.Reader, error) {
		return io.NewSectionReader(b.notes, 0, info.Size()), nil
	}})
	return nil
}

// Close forgets the files.
func (b *Backup) Close() error {
	if b.notes == nil {
		return b.records.Close()
	}
	return errors.Join(b.records.Close(), b.notes.Close())
}

// Add puts a file of the caller's into the backup.
func (b *Backup) Add(name string, content []byte) {
	b.files = append(b.files, &BackupFile{Name: name, Size: int64(len(content)), open: func() (io.Reader, error) { return bytes.NewReader(content), nil }})
}

// AddFile puts a file into the backup as it is now. The caller closes it once the backup
// is written.
func (b *Backup) AddFile(name string, f *os.File) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	b.files = append(b.files, &BackupFile{Name: name, Size: info.Size(), open: func() (io.Reader, error) {
		return io.NewSectionReader(f, 0, info.Size()), nil
	}})
	return nil
}

// Size is how many bytes its files have.
func (b *Backup) Size() (total int64) {
	for _, f := range b.files {
		total += f.Size
	}
	return total
}

// BackupSink takes the files of a backup, and returns the sum of each.
type BackupSink interface {
	Take(f *BackupFile, progress func(bytes int64)) (sum uint32, err error)
}

// Write writes the backup. damaged are the serials of events that are not as they
// were written, or cannot be read: they are in it as they are. progress may be nil.
func (b *Backup) Write(ctx context.Context, to BackupSink, progress func(done, total int64)) (damaged []uint64, err error) {
	m := Manifest{Version: manifestVersion, Format: formatVersion, Taken: b.Taken, Events: b.Events}
	var done int64
	total := b.Size()
	step := func(n int64) {
		if done += n; progress != nil {
			progress(done, total)
		}
	}
	for _, f := range b.files {
		if err := ctx.Err(); err != nil {
			return damaged, err
		}
		if f.of != nil {
			bad, err := b.records.Damaged(ctx, f.of)
			if err != nil {
				return damaged, fmt.Errorf("back up %s: %w", f.Name, err)
			}
			damaged = append(damaged, bad...)
		}
		sum, err := to.Take(f, step)
		if err != nil {
			return damaged, fmt.Errorf("back up %s: %w", f.Name, err)
		}
		m.Files = append(m.Files, ManifestFile{f.Name, f.Size, fmt.Sprintf("%08x", sum)})
	}
	text, err := m.text()
	if err != nil {
		return damaged, err
	}
	last := &BackupFile{Name: BackupManifest, Size: int64(len(text)), open: func() (io.Reader, error) { return bytes.NewReader(text), nil }}
	_, err = to.Take(last, step)
	return damaged, err
}

func (m *Manifest) text() ([]byte, error) {
	line, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	line = append(line, '\n')
	return fmt.Appendf(line, "%08x\n", crc32.Checksum(line, castagnoli)), nil
}

// ErrBackup says that a backup is not whole.
var ErrBackup = errors.New("the backup is damaged or not whole")

func notWhole(format string, a ...any) error {
	return fmt.Errorf("%w: %s", ErrBackup, fmt.Sprintf(format, a...))
}

func parseManifest(text []byte) (*Manifest, error) {
	line, sum, ok := bytes.Cut(text, []byte("\n"))
	if !ok || string(sum) != fmt.Sprintf("%08x\n", crc32.Checksum(text[:len(line)+1], castagnoli)) {
		return nil, notWhole("its file %s is not as it was written", BackupManifest)
	}
	m := new(Manifest)
	if err := json.Unmarshal(line, m); err != nil {
		return nil, notWhole("its file %s: %v", BackupManifest, err)
	}
	if m.Version > manifestVersion || m.Format > formatVersion {
		return nil, newerFormat(uint32(m.Format))
	}
	return m, nil
}

// readBackupManifest reads the manifest of the backup in dir.
func readBackupManifest(dir string) (*Manifest, error) {
	text, err := os.ReadFile(filepath.Join(dir, BackupManifest))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(dir); err != nil {
			return nil, fmt.Errorf("there is no backup: %w", err)
		}
		return nil, notWhole("%s has no file %s, which is written last", dir, BackupManifest)
	}
	if err != nil {
		return nil, err
	}
	return parseManifest(text)
}

// mayBeIn reports a name that a backup may have, besides those of its owner.
func mayBeIn(name string, also []string) bool {
	return records.IsFile(name) || name == notesName || name == BackupManifest || slices.Contains(also, name)
}

// Holds reports the name of a file by which a folder shows that a store is in it,
// or was.
func Holds(name string) bool {
	switch name {
	case badger.ManifestFilename, "MANIFEST-REWRITE", "journal.0", "journal.1", swapMaking, swapReady, swapMoving:
		return true
	}
	return records.IsSegment(name)
}

// CheckBackup reads a backup whole: every file must be there, as the manifest says,
// and nothing else. also are the names of the caller's own files. damaged are
// events that were damaged when the backup was taken.
func CheckBackup(ctx context.Context, dir string, also []string, progress func(done, total int64)) (m *Manifest, damaged []uint64, err error) {
	if m, err = readBackupManifest(dir); err != nil {
		return nil, nil, err
	}
	if err := checkFiles(ctx, dir, m, also, progress); err != nil {
		return nil, nil, err
	}
	snap, err := records.OpenSnapshot(dir)
	if err != nil {
		return nil, nil, notWhole("%v", err)
	}
	defer snap.Close()
	if n := snap.Living(); n != m.Events {
		return nil, nil, notWhole("it has %d events, not %d", n, m.Events)
	}
	for _, c := range snap.Files {
		bad, err := snap.Damaged(ctx, c)
		if err != nil {
			return nil, nil, err
		}
		damaged = append(damaged, bad...)
	}
	return m, damaged, nil
}

func checkFiles(ctx context.Context, dir string, m *Manifest, also []string, progress func(done, total int64)) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	said := map[string]bool{BackupManifest: true}
	for _, f := range m.Files {
		said[f.Name] = true
	}
	for _, f := range files {
		if name := f.Name(); records.IsSegment(name) && !said[name] {
			return notWhole("its file %s is not in the manifest", name)
		}
	}
	meter := m.meter(progress)
	for _, f := range m.Files {
		if !mayBeIn(f.Name, also) {
			return notWhole("it has a file %q, which no backup has", f.Name)
		}
		file, err := os.Open(filepath.Join(dir, f.Name))
		if errors.Is(err, os.ErrNotExist) {
			return notWhole("its file %s is missing", f.Name)
		}
		if err != nil {
			return err
		}
		err = f.holds(ctx, file, io.Discard, meter)
		if err := errors.Join(err, file.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (m *Manifest) meter(progress func(done, total int64)) func(int64) {
	var done, total int64
	for _, f := range m.Files {
		total += f.Bytes
	}
	return func(n int64) {
		if done += n; progress != nil {
			progress(done, total)
		}
	}
}

// holds copies r, which must be the file that f is about.
func (f *ManifestFile) holds(ctx context.Context, r io.Reader, w io.Writer, meter func(int64)) error {
	sum, n, err := copySum(ctx, w, r, meter)
	switch {
	case err != nil:
		return fmt.Errorf("%s: %w", f.Name, err)
	case n != f.Bytes:
		return notWhole("its file %s has %d bytes, not %d", f.Name, n, f.Bytes)
	case fmt.Sprintf("%08x", sum) != f.Sum:
		return notWhole("its file %s is not as it was written", f.Name)
	}
	return nil
}

// copySum copies r to w, and returns the sum and the number of bytes.
func copySum(ctx context.Context, w io.Writer, r io.Reader, meter func(int64)) (sum uint32, n int64, err error) {
	b := make([]byte, 1<<20)
	for {
		if err := ctx.Err(); err != nil {
			return 0, n, err
		}
		got, end := r.Read(b)
		sum = crc32.Update(sum, castagnoli, b[:got])
		n += int64(got)
		if _, err := w.Write(b[:got]); err != nil {
			return 0, n, err
		}
		if meter != nil {
			meter(int64(got))
		}
		if errors.Is(end, io.EOF) {
			return sum, n, nil
		}
		if end != nil {
			return 0, n, end
		}
	}
}
