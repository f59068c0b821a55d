package badgerstore

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sys/unix"
)

// ErrBusy says that another process writes the same backup, or restores there.
var ErrBusy = errors.New("another moa is writing it")

// Staged is a folder that appears under its name once it is whole. Until then it
// has another name, and may be begun anew.
type Staged struct {
	path, stage string
	lock        *os.File // the mark
}

// Stage begins a folder. What is there under its name stays as it is until Place.
func Stage(path, suffix string) (*Staged, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target // it takes the place of the folder, and links to it stay
	}
	if mounted(path) {
		return nil, fmt.Errorf("%s is a mount point, which cannot be replaced: use a folder inside of it", path)
	}
	s := &Staged{path: path, stage: path + suffix}
	if err := os.Mkdir(s.stage, 0o700); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no folder %s; make it first", filepath.Dir(path))
	} else if err != nil && !errors.Is(err, os.ErrExist) {
		return nil, err
	}
	if err := s.begin(); err != nil {
		return nil, err
	}
	if err := s.empty(); err != nil {
		return nil, errors.Join(err, s.lock.Close())
	}
	return s, nil
}

// mounted reports that path is on another disk than the folder that it is in.
func mounted(path string) bool {
	var here, above unix.Stat_t
	return unix.Stat(path, &here) == nil && unix.Stat(filepath.Dir(path), &above) == nil && here.Dev != above.Dev
}

// begin marks the folder as one that is being made, and locks the mark.
func (s *Staged) begin() error {
	files, err := os.ReadDir(s.stage)
	if err != nil {
		return err
	}
	has := func(is func(name string) bool) bool {
		return slices.ContainsFunc(files, func(f os.DirEntry) bool { return is(f.Name()) })
	}
	switch {
	case len(files) == 0, has(func(name string) bool { return name == stageMark || name == BackupManifest }):
		// A process that had made a whole backup was killed before it could give it its name.
	case has(Holds): // and one that put a store in place, before it could move the old one aside
		if err := errors.Join(os.Rename(s.stage, aside(s.path)), os.Mkdir(s.stage, 0o700)); err != nil {
			return err
		}
	default:
		return fmt.Errorf("%s is there, and not a folder that moa has begun: remove it", s.stage)
	}
	if s.lock, err = os.OpenFile(filepath.Join(s.stage, stageMark), os.O_RDWR|os.O_CREATE, 0o600); err != nil {
		return err
	}
	if err := unix.Flock(int(s.lock.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = fmt.Errorf("%s: %w", s.stage, ErrBusy)
		}
		return errors.Join(err, s.lock.Close())
	}
	return nil
}

// empty removes what a process that was killed has left.
func (s *Staged) empty() error {
	files, err := os.ReadDir(s.stage)
	if err != nil {
		return err
	}
	for _, f := range files {
		if f.Name() == stageMark {
			continue
		}
		if err := os.RemoveAll(filepath.Join(s.stage, f.Name())); err != nil {
			return err
		}
	}
	return errors.Join(s.lock.Sync(), syncFile(s.stage))
}

// aside is a name for what has had the name of path.
func aside(path string) string {
	name := path + time.Now().UTC().Format(".before-20060102T150405Z")
	for n, first := 2, name; there(name); n++ {
		name = fmt.Sprint(first, "-", n)
	}
	return name
}

// stageMark is a file by which a folder that is being made is known. It is locked
// by whoever makes it.
const stageMark = "unfinished"

// Dir is where to write.
func (s *Staged) Dir() string { return s.stage }

// Place gives the folder its name, in one step if the system can. What had the name
// before gets the name old; "": nothing may have it but an empty folder.
func (s *Staged) Place(old string) error {
	if err := os.Remove(filepath.Join(s.stage, stageMark)); err != nil {
		return err
	}
	if err := syncFile(s.stage); err != nil {
		return err
	}
	if err := s.rename(old); err != nil {
		return err
	}
	return errors.Join(syncFile(filepath.Dir(s.path)), s.lock.Close())
}

func (s *Staged) rename(old string) error {
	if old == "" {
		return os.Rename(s.stage, s.path)
	}
	err := exchange(s.stage, s.path)
	if err == nil {
		return os.Rename(s.stage, old)
	}
	if !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("put %s in its place: %w", s.path, err)
	}
	if err := os.Rename(s.path, old); err != nil {
		return err
	}
	return os.Rename(s.stage, s.path)
}

// Abandon removes what was written. After Place it does nothing.
func (s *Staged) Abandon() {
	if s.lock.Close() == nil { // it was not placed
		_ = os.RemoveAll(s.stage) // the next one tries again
	}
}

// Take implements BackupSink.
func (s *Staged) Take(f *BackupFile, progress func(int64)) (sum uint32, err error) {
	path := filepath.Join(s.stage, f.Name)
	if f.link != nil && f.link(path) {
		file, err := os.Open(path)
		if err != nil {
			return 0, err
		}
		sum, _, err := copySum(context.Background(), io.Discard, file, progress)
		return sum, errors.Join(err, file.Close())
	}
	r, err := f.open()
	if err != nil {
		return 0, err
	}
	return s.write(context.Background(), f.Name, f.Size, r, progress)
}

// write writes a file and makes it durable.
func (s *Staged) write(ctx context.Context, name string, size int64, r io.Reader, progress func(int64)) (sum uint32, err error) {
	file, err := os.OpenFile(filepath.Join(s.stage, name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return 0, err
	}
	sum, n, err := copySum(ctx, file, r, progress)
	if err == nil && n != size {
		err = notWhole("its file %s has %d bytes, not %d", name, n, size)
	}
	return sum, errors.Join(err, file.Sync(), file.Close())
}

// WriteStream writes the backup as one stream, a tar archive.
func (b *Backup) WriteStream(ctx context.Context, w io.Writer, progress func(done, total int64)) (damaged []uint64, err error) {
	archive := tar.NewWriter(w)
	if damaged, err = b.Write(ctx, streamed{archive}, progress); err == nil {
		err = archive.Close()
	}
	return damaged, err
}

type streamed struct{ *tar.Writer }

// Take implements BackupSink.
func (t streamed) Take(f *BackupFile, progress func(int64)) (sum uint32, err error) {
	r, err := f.open()
	if err == nil {
		err = t.WriteHeader(&tar.Header{Name: f.Name, Size: f.Size, Mode: 0o600, Format: tar.FormatPAX})
	}
	if err != nil {
		return 0, err
	}
	sum, n, err := copySum(context.Background(), t, r, progress)
	if err == nil && n != f.Size {
		err = fmt.Errorf("it has %d bytes, not %d", n, f.Size)
	}
	return sum, err
}

// Receive writes the backup that comes as one stream into the folder, and checks
// it against its manifest.
func (s *Staged) Receive(ctx context.Context, stream io.Reader, also []string, progress func(bytes int64)) (*Manifest, error) {
	got := map[string]ManifestFile{}
	for r := tar.NewReader(stream); ; {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return nil, notWhole("the stream ends before the backup does")
		}
		if err != nil {
			return nil, notWhole("the stream is cut off, or no backup: %v", err)
		}
		if h.Typeflag != tar.TypeReg || !mayBeIn(h.Name, also) {
			return nil, notWhole("it has a file %q, which no backup has", h.Name)
		}
		sum, err := s.write(ctx, h.Name, h.Size, r, progress)
		if errors.Is(err, io.ErrUnexpectedEOF) {
			err = notWhole("the stream is cut off in %s", h.Name)
		}
		if err != nil {
			return nil, err
		}
		if h.Name != BackupManifest {
			got[h.Name] = ManifestFile{h.Name, h.Size, fmt.Sprintf("%08x", sum)}
			continue
		}
		m, err := readBackupManifest(s.stage)
		if err != nil {
			return nil, err
		}
		for _, f := range m.Files {
			if got[f.Name] != f {
				return nil, notWhole("its file %s is not as it was written", f.Name)
			}
		}
		if len(got) != len(m.Files) {
			return nil, notWhole("it has files that are not in its manifest")
		}
		_, err = io.Copy(io.Discard, stream) // the end of the archive
		return m, err
	}
}
