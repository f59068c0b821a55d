package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/policy/trial"
	"moa/store/badgerstore"
)

// dataFolder finds events in a data folder, whether a relay runs with it, which is then
// asked through its control socket, or not. The store is opened for the first question.
type dataFolder struct {
	cfg    *config.Config
	stderr io.Writer

	once  sync.Once
	store *badgerstore.Store // nil: err says why
	err   error
}

// open opens the store, if no relay has it open. The error is ErrLocked if one has.
func (d *dataFolder) open() (*badgerstore.Store, error) {
	d.once.Do(func() { d.store, d.err = openReading(d.cfg, d.stderr) })
	return d.store, d.err
}

// mustBe returns an error if there is no store in the folder.
func (d *dataFolder) mustBe() error {
	if _, err := d.open(); !errors.Is(err, badgerstore.ErrLocked) {
		return err
	}
	return nil
}

// close closes what was opened, and says what of it was left out.
func (d *dataFolder) close() error {
	if d.store == nil {
		return nil
	}
	return errors.Join(leftOut(d.store.Damaged(), nil), d.store.Close())
}

// Stored is policy.Env.Stored.
func (d *dataFolder) Stored(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
	st, err := d.open()
	switch {
	case err == nil:
		return findStored(ctx, st, f, found)
	case errors.Is(err, badgerstore.ErrNoStore):
		return fmt.Errorf("%w: %w", trial.ErrNoStore, err)
	case !errors.Is(err, badgerstore.ErrLocked):
		return err
	}
	left, err := exportAll(ctx, d.cfg.Data, string(f.Append(nil)), func(raw []byte) error {
		e, err := event.Parse(slices.Clone(raw))
		if err != nil {
			return err
		}
		return found(e)
	})
	return errors.Join(err, left)
}
