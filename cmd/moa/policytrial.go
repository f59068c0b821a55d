package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/nips/sig"
	"moa/policy"
	"moa/policy/trial"
	"moa/relay/desk"
	"moa/store"
	"moa/store/badgerstore"
)

// onTrial are a configuration's policies on trial.
type onTrial struct {
	*trial.Trial
	cfg    config.Config
	store  store.Store // nil: none is open
	stderr io.Writer
	end    func() error // of what is decided
}

// trialFlags say which client asks, and when.
func trialFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "clock", Usage: "the policies' `TIME`: now, or event, the time at which each event was made"},
		&cli.BoolFlag{Name: "stranger", Usage: "clients have not authenticated; otherwise each has, as the author"},
		&cli.StringSliceFlag{Name: "as", Usage: "clients have authenticated as `KEY`, npub or hex; more than once: as all of them"},
		&cli.StringFlag{Name: "ip", Usage: "all clients come from `ADDRESS`; otherwise each author has a network of their own"},
	}
}

// sourceFlags say which events there are, if not those of a file.
func sourceFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "relay", Usage: "take events from the running relay at `URL`, ws://…: what it shows a client that has not authenticated"},
		&cli.BoolFlag{Name: "no-verify", Usage: "trust the signatures in the input; ids are checked all the same"},
	}
}

// newTrial reads the configuration and the flags. What policies report goes to report.
func newTrial(cmd *cli.Command, clock string, report policy.Report) (*onTrial, error) {
	log := newLogger(cmd.Root().ErrWriter, "text", slog.LevelWarn)
	o := trial.Options{Unauthenticated: cmd.Bool("stranger"), Log: log, NoStore: func() {
		log.Warn("lists that are read from the store are empty here; name the store with --data")
	}}
	switch clock = cmp.Or(cmd.String("clock"), clock); clock {
	case "event":
		o.EventTime = true
	case "now":
	default:
		return nil, usage.Errorf("--clock: %q is neither now nor event", clock)
	}
	for _, text := range cmd.StringSlice("as") {
		pk, err := nip19.ParsePubKey(text)
		if err != nil {
			return nil, usage.Errorf("--as: %w", err)
		}
		o.As = append(o.As, pk)
	}
	if o.Unauthenticated && o.As != nil {
		return nil, usage.Errorf("--stranger and --as exclude each other")
	}
	if text := cmd.String("ip"); text != "" {
		var err error
		if o.IP, err = netip.ParseAddr(text); err != nil {
			return nil, usage.Errorf("--ip: %w", err)
		}
	}
	t := &onTrial{Trial: trial.New(o), stderr: cmd.Root().ErrWriter}
	env, decided := t.Env(), new(desk.Decided)
	env.Decided, env.Members = decided, decided
	var err error
	if t.cfg, t.Chain, err = load(config.SourceOf(cmd), env, report); err != nil {
		return t, err
	}
	decided.State, t.end, err = readState(context.Background(), t.cfg.Data)
	return t, err
}

// filterFlag is what --filter says, everything without it.
func filterFlag(cmd *cli.Command) (*event.Filter, error) {
	text := cmd.String("filter")
	if text == "" {
		return new(event.Filter), nil
	}
	f, err := event.ParseFilter([]byte(text))
	if err != nil {
		return nil, usage.Errorf("--filter: %w", err)
	}
	return f, nil
}

// run lets the policies work while ask asks them.
func (t *onTrial) run(ctx context.Context, ask func(context.Context) error) error {
	late := func(after time.Duration, missing []string) {
		fmt.Fprintf(t.stderr, "moa: not ready after %v, asked nonetheless: %v\n", after, missing)
	}
	return t.Run(ctx, late, ask)
}

// query is how the relay reads its store.
func (t *onTrial) query() store.Query {
	return store.Query{DefaultLimit: t.cfg.Limits.DefaultLimit, MaxLimit: t.cfg.Limits.Limit}
}

// openData opens the store of the configuration, which must be there. end tells
// what of it was left out.
func (t *onTrial) openData() (end func() error, err error) {
	st, err := openReading(&t.cfg, t.stderr)
	if errors.Is(err, badgerstore.ErrNoStore) {
		return nil, usage.Errorf("%w, or a FILE of events", err)
	}
	if err != nil {
		return nil, err
	}
	t.store, t.Store = st, stored{st, t}
	return func() error { return errors.Join(leftOut(st.Damaged(), nil), st.Close()) }, nil
}

// stored is a store on disk as a trial uses it.
type stored struct {
	store.Store
	trial *onTrial
}

func (s stored) Stored(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
	return findStored(ctx, s.Store, f, found)
}

func (s stored) Find(ctx context.Context, q trial.Question, visible func(*event.Event) bool) (shown int, err error) {
	f, query := q.Filter, s.trial.query()
	if q.Count {
		unlimited := *f
		unlimited.HasLimit = false
		f, query = &unlimited, store.Query{}
	}
	query.Filters, query.Now, query.Bulk = []*event.Filter{f}, s.trial.Now().Unix(), true
	query.Visible = func(rec *store.Record) bool {
		e, err := rec.Event()
		return err == nil && visible(e)
	}
	err = store.Each(ctx, s.Store, query, func(*store.Record) error { shown++; return nil })
	return shown, err
}

// gather takes the events that match from a file, a relay or the store, the
// oldest first. Those that are broken are counted. where names the source. Unless a
// store is open, they stand in for one.
func (t *onTrial) gather(ctx context.Context, cmd *cli.Command, f *event.Filter) (where string, events []*event.Event, broken transfer.Tally, err error) {
	var verify sig.Verifier
	if !cmd.Bool("no-verify") {
		if verify, err = sig.New(t.cfg.Process.Verifier); err != nil {
			return "", nil, broken, err
		}
	}
	keep := func(raw []byte) error {
		e, err := event.Parse(slices.Clone(raw))
		if err == nil {
			events = append(events, e)
		}
		return err
	}
	switch url := cmd.String("relay"); {
	case cmd.NArg() > 0:
		where = cmd.Args().First()
		events, broken, err = readEvents(ctx, where, verify, f)
	case url != "":
		where = url
		if err = transfer.Fetch(ctx, url, *f, keep); err == nil && verify != nil {
			events, broken = transfer.Verified(verify, events)
		}
	default:
		where = t.cfg.Data // what it holds was verified when it came
		err = transfer.Scan(ctx, t.store, f, keep)
	}
	slices.SortStableFunc(events, func(a, b *event.Event) int { return cmp.Compare(a.CreatedAt, b.CreatedAt) })
	if t.store == nil && len(events) > 0 {
		query := t.query()
		t.Store = trial.Events{List: events, Limit: query.LimitOf}
	}
	return where, events, broken, err
}

// readEvents reads JSON lines as an import does.
func readEvents(ctx context.Context, path string, verify sig.Verifier, f *event.Filter) (events []*event.Event, broken transfer.Tally, err error) {
	in, err := transfer.Open(path)
	if err != nil {
		return nil, broken, usage.Error{Err: err}
	}
	defer in.Close()
	im := &transfer.Importer{
		In: in, Verify: verify,
		Admit: func(*event.Event) (string, bool) { return "", false },
		Store: func(_ context.Context, batch transfer.Batch) (transfer.Tally, error) {
			for _, e := range batch.Events {
				if f.Matches(e) {
					events = append(events, e)
				}
			}
			return transfer.Tally{}, nil
		},
	}
	done, err := im.Run(ctx, transfer.Checkpoint{})
	return events, done.Tally, err
}

// verified reports that the event's signature holds.
func (t *onTrial) verified(e *event.Event) (bool, error) {
	v, err := sig.New(t.cfg.Process.Verifier)
	if err != nil {
		return false, err
	}
	good, _ := transfer.Verified(v, []*event.Event{e})
	return len(good) == 1, nil
}
