package badgerstore

import (
	"errors"
	"fmt"
	"os"
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
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return fmt.Errorf("ask for room in %s: %w", dir, err)
	}
	if free := st.Bavail * uint64(st.Bsize); free < uint64(reserveMB)<<20 {
		return fmt.Errorf("%w: %d MB are left in %s, %d are kept in reserve", store.ErrFull, free>>20, dir, reserveMB)
	}
	const files = 64
	if st.Files > 0 && st.Ffree < files {
		return fmt.Errorf("%w: %s takes no more files", store.ErrFull, dir)
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
