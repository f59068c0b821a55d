package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/state"
)

// storeOptions are how the configuration has its store opened.
func storeOptions(c *config.Config, log *slog.Logger) badgerstore.Options {
	return badgerstore.Options{
		Dir:       c.Data,
		CacheMB:   c.Store.CacheMiB,
		HotMB:     orNone(c.Store.HotMiB),
		ReserveMB: orNone(c.Store.ReserveMiB),
		NoSync:    !c.Store.Sync,
		Log:       log,
	}
}

// openStore opens the store of a configuration, and makes it if there is none.
// Both log and metrics may be nil.
func openStore(c *config.Config, log *slog.Logger, metrics *prometheus.Registry) (*badgerstore.Store, error) {
	if err := cmp.Or(mayHold(c.Data), notInside(c.Data)); err != nil {
		return nil, err
	}
	options := storeOptions(c, log)
	if metrics != nil { // it is the relay's: verbs end soon
		options.Registry, options.ScrubMB = metrics, c.Store.ScrubMiB
	}
	st, err := badgerstore.Open(options)
	if errors.Is(err, store.ErrDamaged) && options.NoSync {
		st, err = reopenUnsynced(options, err)
	}
	return st, storeError(c.Data, err)
}

// reopenUnsynced repairs a store that is not synced, and opens it. A crash of the
// machine usually leaves such a store with holes, so the operator is not asked.
func reopenUnsynced(o badgerstore.Options, damage error) (*badgerstore.Store, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	log.Warn("the store is repaired, for with sync = false a crash of the machine may damage it", "err", damage)
	r, err := badgerstore.Repair(context.Background(), o, nil)
	if err != nil {
		return nil, err
	}
	log.Warn("the store is repaired", "events", r.Events, "damaged", r.Damaged, "notes", r.Notes)
	return badgerstore.Open(o)
}

// openReading opens an existing store to read it: it makes none, and
// migrates none. What is damaged is told on w.
func openReading(c *config.Config, w io.Writer) (*badgerstore.Store, error) {
	if err := notBackup(c.Data); err != nil {
		return nil, err
	}
	options := storeOptions(c, newLogger(w, "text", slog.LevelWarn))
	options.Existing = true
	st, err := badgerstore.Open(options)
	return st, storeError(c.Data, err)
}

// orNone is how badgerstore.Options says none, for which the file has 0.
func orNone(mib int) int {
	if mib == 0 {
		return -1
	}
	return mib
}

// storeError adds to an error of Open what can be done about it.
func storeError(dir string, err error) error {
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		return lockedError(dir, err)
	case errors.Is(err, badgerstore.ErrNoStore):
		return usage.Error{Err: noStore{dir}}
	case errors.Is(err, store.ErrDamaged):
		return fmt.Errorf("%w (moa store check --data %s says more; nothing was changed)", err, dir)
	case errors.Is(err, badgerstore.ErrIndex):
		return fmt.Errorf("%w; %s", err, againOrBackup)
	case errors.Is(err, store.ErrFull):
		return fmt.Errorf("%w; make room, or lower store.reserve_mib", err)
	}
	return err
}

// againOrBackup is what can be done when a new index does not fit.
const againOrBackup = "nothing was changed: run it again, for the memory or the disk may have failed it; if that ends the same, restore a backup of before"

// noStore says that a folder has no store.
type noStore struct{ dir string }

func (e noStore) Error() string {
	return fmt.Sprintf("there is no store in %s; name its folder with --data", e.dir)
}
func (noStore) Unwrap() error { return badgerstore.ErrNoStore }

// lockedError says which relay has the store open, and what can be done without
// stopping it.
func lockedError(dir string, err error) error {
	url := announced(dir)
	if url == "" {
		url = "ws://HOST:PORT"
	}
	return fmt.Errorf("%w; stop it first. While a relay runs, moa import, moa export and moa policy test work with --relay %s; moa export --all, moa policy explain and moa store backup work as they are", err, url)
}

// notBackup refuses a folder that holds a backup.
func notBackup(dir string) error {
	if err := isFolder(dir); err != nil {
		return err
	}
	if _, err := os.Lstat(filepath.Join(dir, badgerstore.BackupManifest)); err == nil {
		return usage.Errorf("%s is a backup, not a store: moa store restore %s --data DIR makes a store of it", dir, dir)
	}
	return nil
}

// isFolder refuses a file in place of a store's folder.
func isFolder(dir string) error {
	if st, err := os.Stat(dir); err == nil && !st.IsDir() {
		return usage.Errorf("%s is a file, and a store is a folder; of a backup in one file, moa store restore - --data DIR < %s makes a store", dir, dir)
	}
	return nil
}

// alertsFile, in the data folder, holds when the operator was told of each matter last.
const alertsFile = "alerts.sent"

// mayHold refuses a folder that has other files in it: a store has a
// folder of its own.
func mayHold(dir string) error {
	if err := notBackup(dir); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var others []string
	for _, f := range files {
		switch name := f.Name(); {
		case badgerstore.Holds(name):
			return nil // a store, though perhaps a damaged one
		case !mayStandBeside(name):
			others = append(others, name)
		}
	}
	if len(others) > 0 {
		return usage.Errorf("%s is not empty, and there is no store in it (but %s): name a folder of its own with --data", dir, terminal.Line(strings.Join(others[:min(len(others), 3)], ", ")))
	}
	return nil
}

// notInside refuses to make a store in the folder of another one: most likely that other
// one is meant, as where the image once kept it.
func notInside(dir string) error {
	if _, err := os.Lstat(dir); !errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	outer := filepath.Dir(filepath.Clean(dir))
	files, err := os.ReadDir(outer)
	if err != nil {
		return nil // it is told when the folder is made
	}
	for _, f := range files {
		if badgerstore.Holds(f.Name()) {
			return usage.Errorf("there is a store in %s, and none in %s: name the one that is there with --data, or stop all that uses it and move its files to %s", outer, dir, dir)
		}
	}
	return nil
}

// mayStandBeside reports a file that a folder may have before the store is made.
func mayStandBeside(name string) bool {
	switch name {
	case config.KeyFile, urlFile, backupFile, alertsFile, recordFile, recordFile + ".migrated", filepath.Base(filepath.Dir(doorPath(""))), "lost+found":
		return true
	}
	if state.Owns(name) {
		return true
	}
	ext := filepath.Ext(name)
	return ext == ".toml" || ext == ".txt" || strings.HasPrefix(name, ".")
}

// leftOut is an error if n damaged events were passed over while a store was read.
func leftOut(n int, err error) error {
	switch {
	case err != nil:
		return fmt.Errorf("whether damaged events were left out is not known: %w", err)
	case n > 0:
		return fmt.Errorf("%s damaged on the disk and left out; moa store check says more", terminal.Count(n, "event is", "events are"))
	}
	return nil
}

// findStored is policy.Env.Stored over a store.
func findStored(ctx context.Context, st store.Store, f *event.Filter, found func(*event.Event) error) error {
	q := store.Query{Filters: []*event.Filter{f}, Now: time.Now().Unix(), Bulk: true}
	return store.Each(ctx, st, q, func(r *store.Record) error {
		e, err := r.Event()
		if err != nil {
			return err
		}
		return found(e)
	})
}
