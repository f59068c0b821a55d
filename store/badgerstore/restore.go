package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"moa/store/badgerstore/internal/records"
)

// Restoring says what Restore does.
type Restoring struct {
	From   string    // the folder of a backup, or
	Stream io.Reader // one as a stream
	To     Options   // To.Dir is where the store is to be
	// Replace has a store that is there moved aside, to a name that the report
	// tells; otherwise it is an error.
	Replace bool
	// Also are names of files of the caller's own that a backup may have; if it
	// lacks one, that of the store which is replaced is taken over.
	Also []string
	// Progress, if not nil, is told how far a step has come; total 0: not known.
	Progress func(step string, done, total int64)
}

// Restored is what Restore has done.
type Restored struct {
	Manifest *Manifest
	Damaged  []uint64      // serials of events that are damaged in the backup
	Repair   *RepairReport // how the keys were made
	Old      string        // where the store is that was there before; "": there was none
	Kept     []string      // files that were taken over from there
}

// ErrExists says that there is something already where a store is to be.
var ErrExists = errors.New("there is a store already")

// Restore makes a store of a backup, which is checked whole before anything is
// written, or, a stream, before anything is replaced. The store that is there
// stays until the new one is ready; if Restore is interrupted, it can be called
// again.
func Restore(ctx context.Context, r Restoring) (_ *Restored, err error) {
	if r.Progress == nil {
		r.Progress = func(string, int64, int64) {}
	}
	out := new(Restored)
	there, err := r.lockOld()
	if err != nil {
		return nil, err
	}
	if there != nil {
		defer there.Close()
	}
	step := func(name string) func(done, total int64) {
		return func(done, total int64) { r.Progress(name, done, total) }
	}
	if r.Stream == nil { // before anything is touched
		if out.Manifest, out.Damaged, err = CheckBackup(ctx, r.From, r.Also, step("checking")); err != nil {
			return nil, err
		}
	}
	s, err := Stage(r.To.Dir, ".restoring")
	if err != nil {
		return nil, err
	}
	defer s.Abandon()
	if r.Stream == nil {
		err = s.copyFrom(ctx, r.From, out.Manifest, step("copying"))
	} else if out.Manifest, err = s.Receive(ctx, r.Stream, r.Also, func(n int64) { r.Progress("reading", n, 0) }); err == nil {
		_, out.Damaged, err = CheckBackup(ctx, s.Dir(), r.Also, step("checking"))
	}
	if err != nil {
		return nil, err
	}
	if err := records.ForgetID(s.Dir()); err != nil {
		return nil, err
	}
	o := r.To
	o.Dir = s.Dir()
	if out.Manifest.Events == 0 && !out.Manifest.records() {
		out.Repair, err = new(RepairReport), makeEmpty(o)
		if err != nil {
			return nil, err
		}
		return out, r.place(s, there != nil, out)
	}
	out.Repair, err = Repair(ctx, o, func(done, total uint64) { r.Progress("making the index", int64(done), int64(total)) })
	if err != nil {
		return nil, err
	}
	return out, r.place(s, there != nil, out)
}

// records reports whether there are any, of removed events at least.
func (m *Manifest) records() bool {
	return slices.ContainsFunc(m.Files, func(f ManifestFile) bool { return records.IsSegment(f.Name) })
}

// makeEmpty makes a store without events.
func makeEmpty(o Options) error {
	s, err := Open(o)
	if err != nil {
		return err
	}
	return s.Close()
}

// lockOld locks what is where the store is to be, so that nobody uses it; nil:
// nothing is there, or an empty folder.
func (r *Restoring) lockOld() (lock io.Closer, err error) {
	lock, err = lockFolder(&Options{Dir: r.To.Dir, Existing: true})
	if errors.Is(err, ErrNoStore) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("restore to %s: %w", r.To.Dir, err)
	}
	files, err := os.ReadDir(r.To.Dir)
	if err == nil && len(files) > 0 && !r.Replace {
		err = fmt.Errorf("restore to %s: %w", r.To.Dir, ErrExists)
	}
	if err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	if len(files) == 0 {
		return nil, lock.Close()
	}
	return lock, nil
}

// copyFrom copies a backup, which must still be as its manifest says.
func (s *Staged) copyFrom(ctx context.Context, dir string, m *Manifest, progress func(done, total int64)) error {
	meter := m.meter(progress)
	for i := range m.Files {
		f := &m.Files[i]
		from, err := os.Open(filepath.Join(dir, f.Name))
		if err != nil {
			return err
		}
		to, err := os.OpenFile(filepath.Join(s.stage, f.Name), os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
		if err != nil {
			return errors.Join(err, from.Close())
		}
		err = f.holds(ctx, from, to, meter)
		if err := errors.Join(err, from.Close(), to.Sync(), to.Close()); err != nil {
			return err
		}
	}
	return nil
}

// place gives the store its name.
func (r *Restoring) place(s *Staged, replace bool, out *Restored) error {
	if err := os.Remove(filepath.Join(s.stage, BackupManifest)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if !replace {
		if err := giveLike(s.stage, filepath.Dir(s.path)); err != nil {
			return err
		}
		return s.Place("")
	}
	for _, name := range r.Also {
		if there(filepath.Join(s.stage, name)) {
			continue
		}
		err := s.takeOver(filepath.Join(r.To.Dir, name), name)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		out.Kept = append(out.Kept, name)
	}
	if err := giveLike(s.stage, s.path); err != nil {
		return err
	}
	out.Old = aside(s.path)
	return s.Place(out.Old)
}

func (s *Staged) takeOver(path, name string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err == nil {
		_, err = s.write(context.Background(), name, info.Size(), f, nil)
	}
	return err
}
