package badgerstore

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
)

// New keys take the place of old ones in steps of which each may be done again:
//
//  1. They are made in keys.new.
//  2. When they are complete and synced that is renamed to keys.ready: from here on
//     they count, and nothing else that is derived.
//  3. The old keys and the journal are removed, and keys.ready is renamed to keys.swap.
//  4. The files are moved out of it, the list of them last.
const (
	swapMaking = "keys.new"
	swapReady  = "keys.ready"
	swapMoving = "keys.swap"
)

// readySwap does step 2.
func readySwap(dir string) error {
	making := filepath.Join(dir, swapMaking)
	list, err := os.ReadDir(making)
	if err != nil {
		return err
	}
	for _, f := range list {
		if err := syncFile(filepath.Join(making, f.Name())); err != nil {
			return err
		}
	}
	if err := syncFile(making); err != nil {
		return err
	}
	return errors.Join(os.Rename(making, filepath.Join(dir, swapReady)), syncFile(dir))
}

// abandonSwap forgets keys that were not completed.
func abandonSwap(dir string) error { return os.RemoveAll(filepath.Join(dir, swapMaking)) }

// finishSwap does steps 3 and 4, if 2 was done.
func finishSwap(dir string) error {
	ready, moving := filepath.Join(dir, swapReady), filepath.Join(dir, swapMoving)
	switch _, err := os.Stat(ready); {
	case err == nil:
		if err := removeKeys(dir); err != nil {
			return err
		}
		if err := errors.Join(os.Rename(ready, moving), syncFile(dir)); err != nil {
			return err
		}
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	list, err := os.ReadDir(moving)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, last := range []bool{false, true} {
		for _, f := range list {
			if name := f.Name(); (name == badger.ManifestFilename) == last {
				if err := os.Rename(filepath.Join(moving, name), filepath.Join(dir, name)); err != nil {
					return err
				}
			}
		}
		if err := errors.Join(syncFile(moving), syncFile(dir)); err != nil {
			return err
		}
	}
	return errors.Join(os.Remove(moving), syncFile(dir))
}

// removeKeys removes Badger's files and the journal.
func removeKeys(dir string) error {
	list, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, f := range list {
		if name := f.Name(); isKeys(name) {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				return err
			}
		}
	}
	return syncFile(dir)
}

// isKeys reports a file that is Badger's or the journal's.
func isKeys(name string) bool {
	switch filepath.Ext(name) {
	case ".sst", ".mem", ".vlog":
		return true
	}
	return name == badger.ManifestFilename || name == "MANIFEST-REWRITE" || name == "KEYREGISTRY" || name == "REWRITE-KEYREGISTRY" ||
		name == "DISCARD" || strings.HasPrefix(name, "journal.")
}
