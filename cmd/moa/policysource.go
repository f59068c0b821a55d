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
func (t *trial) gather(ctx context.Context, cmd *cli.Command, f *event.Filter) (where string, broken tally, err error) {
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
		if err = fetch(ctx, url, *f, keep); err == nil && verify != nil {
			c := &chunk{lot: lotOf(t.events)}
			c.verify(verify)
			t.events, broken = c.events, c.tally
		}
	default:
		where = t.cfg.Data // what it holds was verified when it came
		err = scanAll(ctx, t.store, f, keep)
	}
	slices.SortStableFunc(t.events, func(a, b *event.Event) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	return where, broken, err
}

// readFile reads JSON lines as an import does.
func (t *trial) readFile(ctx context.Context, path string, verify sig.Verifier, f *event.Filter) (tally, error) {
	in, err := openInput(path)
	if err != nil {
		return tally{}, usage.Error{Err: err}
	}
	defer in.Close()
	im := &importer{
		in: in, verify: verify,
		admit: func(*event.Event) (string, bool) { return "", false },
		store: func(_ context.Context, batch lot) (tally, error) {
			for _, e := range batch.events {
				if f.Matches(e) {
					t.events = append(t.events, e)
				}
			}
			return tally{}, nil
		},
	}
	done, err := im.run(ctx, checkpoint{})
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
		err = fetch(ctx, url, *f, keep)
	} else {
		err = scanAll(ctx, t.store, f, keep)
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
	c := &chunk{lot: lotOf([]*event.Event{e})}
	c.verify(v)
	return len(c.events) == 1, nil
}

// at says when an event was made.
func at(e *event.Event) string { return time.Unix(e.CreatedAt, 0).UTC().Format(time.RFC3339) }
