package badgerstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

var (
	// ErrLocked says that another process is using the store's folder.
	ErrLocked = errors.New("another moa is using it")
	// ErrNoStore says that there is no store in the folder, and Options.Existing.
	ErrNoStore = errors.New("there is no store in it")
	// ErrOlderFormat says that the store has to be migrated, and Options.Existing.
	ErrOlderFormat = errors.New("it was written by an older version of moa: start the relay once, which brings it up to date")
)

func older(have uint32) error {
	return fmt.Errorf("%w (its format is %d, this one's %d)", ErrOlderFormat, have, formatVersion)
}

// lockFolder makes the folder if it may, and locks it until what it returns is
// closed. It is the lock that Badger would take, in the same way.
func lockFolder(o *Options) (io.Closer, error) {
	if !o.Existing {
		if err := makeFolder(o.Dir); err != nil {
			return nil, err
		}
	}
	if err := MayUse(o.Dir); err != nil {
		return nil, err
	}
	dir, err := os.Open(o.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNoStore
	}
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		if errors.Is(err, unix.EWOULDBLOCK) {
			err = ErrLocked
		}
		return nil, errors.Join(err, dir.Close())
	}
	return folderLock{dir}, nil
}
