package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/sig"
	"moa/store/badgerstore"
)

// sourceFlags say which events there are, if not those of a file.
func sourceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "relay", Usage: "take events from the running relay at `URL`, ws://…: what it shows a stranger"},
		&cli.BoolFlag{Name: "no-verify", Usage: "trust the signatures in the input; ids are checked all the same"},
	}
}

// openData opens the store of the configuration, which must be there. end tells
// what of it was left out.
func (t *trial) openData(stderr io.Writer) (end func() error, err error) {
	st, err := openReading(&t.cfg, stderr)
	if errors.Is(err, badgerstore.ErrNoStore) {
		return nil, usage.Errorf("%w, or a FILE of events", err)
	}
	if err != nil {
		return nil, err
	}
	t.store = st
	return func() error { return errors.Join(leftOut(st.Damaged(), nil), st.Close()) }, nil
}

// gather takes the events that match from a file, a relay or the store, the
// oldest first. Those that are broken are counted. where names the source.
func (t *trial) gather(ctx context.Context, cmd *cli.Command, f *event.Filter) (where string, broken transfer.Tally, err error) {
	var verify sig.Verifier
	if !cmd.Bool("no-verify") {
		if verify, err = sig.New(t.cfg.Process.Verifier); err != nil {
			return "", broken, err
		}
	}
	keep := func(raw []byte) error {
		e, err := event.Parse(slices.Clone(raw))
		if err == nil {
			t.events = append(t.events, e)
		}
		return err
	}
	switch url := cmd.String("relay"); {
	case cmd.NArg() > 0:
		where = cmd.Args().First()
		broken, err = t.readFile(ctx, where, verify, f)
	case url != "":
		where = url
		if err = transfer.Fetch(ctx, url, *f, keep); err == nil && verify != nil {
			t.events, broken = transfer.Verified(verify, t.events)
		}
	default:
		where = t.cfg.Data // what it holds was verified when it came
		err = transfer.Scan(ctx, t.store, f, keep)
	}
	slices.SortStableFunc(t.events, func(a, b *event.Event) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	return where, broken, err
}

// readFile reads JSON lines as an import does.
func (t *trial) readFile(ctx context.Context, path string, verify sig.Verifier, f *event.Filter) (transfer.Tally, error) {
	in, err := transfer.Open(path)
	if err != nil {
		return transfer.Tally{}, usage.Error{Err: err}
	}
	defer in.Close()
	im := &transfer.Importer{
		In: in, Verify: verify,
		Admit: func(*event.Event) (string, bool) { return "", false },
		Store: func(_ context.Context, batch transfer.Batch) (transfer.Tally, error) {
			for _, e := range batch.Events {
				if f.Matches(e) {
					t.events = append(t.events, e)
				}
			}
			return transfer.Tally{}, nil
		},
	}
	done, err := im.Run(ctx, transfer.Checkpoint{})
	return done.Tally, err
}

// find returns the event of that id from a relay or the store.
func (t *trial) find(ctx context.Context, cmd *cli.Command, id event.ID) (found *event.Event, err error) {
	f := &event.Filter{IDs: []event.ID{id}}
	keep := func(raw []byte) (err error) {
		found, err = event.Parse(slices.Clone(raw))
		return err
	}
	if url := cmd.String("relay"); url != "" {
		err = transfer.Fetch(ctx, url, *f, keep)
	} else {
		err = transfer.Scan(ctx, t.store, f, keep)
	}
	if err == nil && found == nil {
		return nil, fmt.Errorf("there is no event %s", id)
	}
	return found, err
}

// verified reports that the event's signature holds.
func (t *trial) verified(e *event.Event) (bool, error) {
	v, err := sig.New(t.cfg.Process.Verifier)
	if err != nil {
		return false, err
	}
	good, _ := transfer.Verified(v, []*event.Event{e})
	return len(good) == 1, nil
}

// at says when an event was made.
func at(e *event.Event) string { return time.Unix(e.CreatedAt, 0).UTC().Format(time.RFC3339) }
