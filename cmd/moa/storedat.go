package main

import (
	"context"
	"errors"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/store/badgerstore"
)

// finder calls found for the stored events that match, hidden or not.
type finder func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error

// storedAt finds what is stored in a data folder: in its store, or where a relay uses that,
// through the relay's control socket. The caller calls end.
func storedAt(ctx context.Context, cmd *cli.Command, cfg *config.Config) (find finder, end func() error, err error) {
	end = func() error { return nil }
	st, err := openReading(cfg, cmd.Root().ErrWriter)
	switch {
	case err == nil:
		return func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
			return findStored(ctx, st, f, found)
		}, st.Close, nil
	case errors.Is(err, badgerstore.ErrNoStore):
		return func(context.Context, *event.Filter, func(*event.Event) error) error { return nil }, end, nil
	case !errors.Is(err, badgerstore.ErrLocked):
		return nil, end, err
	}
	return func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
		left, err := exportAll(ctx, cfg.Data, string(f.Append(nil)), func(line []byte) error {
			e, err := event.Parse(line)
			if err != nil {
				return err
			}
			return found(e)
		})
		return errors.Join(err, left)
	}, end, nil
}
