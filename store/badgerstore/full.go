package badgerstore

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"

	"moa/store"
)

// asFull turns the errors of a disk that takes no more into store.ErrFull.
func asFull(err error) error {
	for _, full := range []error{syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG} {
		if errors.Is(err, full) {
			return fmt.Errorf("%w: %w", store.ErrFull, err)
		}
	}
	return err
}

// diskRoom reports store.ErrFull if less than reserveMB is left on dir's disk,
// or nearly no files. Badger cannot be asked to fail instead: it writes to
// memory that maps sparse files, so that a full disk is a SIGBUS, and a
// memtable whose file cannot be made takes the process down too.
func diskRoom(dir string, reserveMB int) error {
	if reserveMB < 0 {
		return nil
	}
	free, err := freeMB(dir)
	if err == nil && free < reserveMB {
		err = fmt.Errorf("%w: %d MB are left in %s, %d are kept in reserve", store.ErrFull, free, dir, reserveMB)
	}
	return err
}

// freeMB is how much is left on dir's disk. It must take some files more.
func freeMB(dir string) (int, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("ask for room in %s: %w", dir, err)
	}
	const files = 64
	if st.Files > 0 && st.Ffree < files {
		return 0, fmt.Errorf("%w: %s takes no more files", store.ErrFull, dir)
	}
	return int(st.Bavail * uint64(st.Bsize) >> 20), nil
}

// openRoom reports store.ErrFull if the disk has no room for what opening the
// store writes: Badger's memtables, a table of each log, and what the journal has
// to be done again.
func openRoom(o *Options) error {
	if o.ReserveMB < 0 {
		return nil
	}
	memtable := badgerOptions(o).MemTableSize
	need := 2 * memtable
	logs, err := filesOf(o.Dir, ".mem")
	if err != nil {
		return err
	}
	need += int64(len(logs)) * memtable
	for _, name := range []string{"journal.0", "journal.1"} {
		if info, err := os.Stat(filepath.Join(o.Dir, name)); err == nil {
			need += info.Size() / 2 // the rest of it is records
		}
	}
	free, err := freeMB(o.Dir)
	if needMB := int(need >> 20); err == nil && free < needMB {
		err = fmt.Errorf("%w: %d MB are left in %s, and to open the store takes %d: free %d MB; nothing was changed",
			store.ErrFull, free, o.Dir, needMB, needMB-free)
	}
	return err
}

// closeRoom reports store.ErrFull if the disk has no room for what closing Badger
// writes: a table of its memtable.
func (s *Store) closeRoom() error {
	if s.opt.ReserveMB < 0 {
		return nil
	}
	need := int(2 * s.db.Opts().MemTableSize >> 20)
	if err := s.room(need); err != nil {
		return fmt.Errorf("to close the index takes %d MB: %w", need, err)
	}
	return nil
}

// diskUse is what dir's files take. Badger's own figure counts the holes of
// sparse files too.
func diskUse(dir string) (bytes int64) {
	files, err := os.ReadDir(dir)
	if err != nil {
		return 0
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			continue // removed since
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			bytes += st.Blocks * 512
		}
	}
	return bytes
}
