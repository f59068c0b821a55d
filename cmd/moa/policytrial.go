package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/policy"
	"moa/store"
)

// trial is a configuration's policies beside the relay that has them: they are
// asked about events, and nothing comes of it.
type trial struct {
	cfg      config.Config
	chain    *policy.Chain
	store    store.Store    // nil: none is open
	events   []*event.Event // in the order in which they were made; stand in for a store
	log      *slog.Logger
	noStore  sync.Once    // says that nothing does
	now      atomic.Int64 // the policies' clock, Unix seconds; 0: the real one
	eventual bool         // the clock is that of each event
	stranger bool
	as       []event.PubKey // whom clients have authenticated as; nil: writers as the author, readers not
	ip       netip.Addr     // of everybody; invalid: each author has a network of their own
}

// trialFlags say who is asking, and when.
func trialFlags() []cli.Flag {
	return []cli.Flag{
		&cli.StringFlag{Name: "clock", Usage: "the policies' `TIME`: now, or event, the time at which each event was made"},
		&cli.BoolFlag{Name: "stranger", Usage: "clients have not authenticated; otherwise each has, as the author"},
		&cli.StringSliceFlag{Name: "as", Usage: "clients have authenticated as `KEY`, npub or hex; more than once: as all of them"},
		&cli.StringFlag{Name: "ip", Usage: "all clients come from `ADDRESS`; otherwise each author has a network of their own"},
	}
}

// newTrial reads the configuration and the flags. What policies report and log
// goes to report and to stderr.
func newTrial(cmd *cli.Command, clock string, report policy.Report, stderr io.Writer) (*trial, error) {
	t := &trial{log: newLogger(stderr, "text", slog.LevelWarn), stranger: cmd.Bool("stranger")}
	if set := cmd.String("clock"); set != "" {
		clock = set
	}
	switch clock {
	case "event":
		t.eventual = true
	case "now":
	default:
		return nil, usage.Errorf("--clock: %q is neither now nor event", clock)
	}
	for _, text := range cmd.StringSlice("as") {
		pk, err := nip19.ParsePubKey(text)
		if err != nil {
			return nil, usage.Errorf("--as: %w", err)
		}
		t.as = append(t.as, pk)
	}
	if t.stranger && t.as != nil {
		return nil, usage.Errorf("--stranger and --as exclude each other")
	}
	if text := cmd.String("ip"); text != "" {
		var err error
		if t.ip, err = netip.ParseAddr(text); err != nil {
			return nil, usage.Errorf("--ip: %w", err)
		}
	}
	env := policy.Env{
		Log:    t.log,
		Stored: t.stored,
		Now:    t.clock,
	}
	var err error
	t.cfg, t.chain, err = load(config.SourceOf(cmd), env, report)
	return t, err
}

// clock is the policies' time.
func (t *trial) clock() time.Time {
	if now := t.now.Load(); now != 0 {
		return time.Unix(now, 0)
	}
	return time.Now()
}

// loadTime is how long lists and plugins may take before events are asked
// about without them.
const loadTime = 30 * time.Second

// run lets the policies work in the background while f asks them.
func (t *trial) run(ctx context.Context, stderr io.Writer, f func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- t.chain.Run(working) }()
	waiting, cancel := context.WithTimeout(ctx, loadTime)
	if missing := t.chain.Loaded(waiting); missing != nil && ctx.Err() == nil {
		fmt.Fprintf(stderr, "moa: not ready after %v, asked nonetheless: %v\n", loadTime, missing)
	}
	cancel()
	err := f(ctx)
	stop()
	return errors.Join(err, <-ended)
}

// client is who sends the event, and sets the clock to the time when.
func (t *trial) client(e *event.Event) policy.Client {
	if t.eventual {
		t.now.Store(e.CreatedAt)
	}
	c := trialClient{ip: t.ip}
	if !c.ip.IsValid() {
		c.ip = networkOf(e.PubKey)
	}
	switch {
	case t.as != nil:
		c.authed = t.as
	case !t.stranger:
		c.authed = []event.PubKey{e.PubKey}
	}
	return c
}

// reader is who reads.
func (t *trial) reader() policy.Client {
	c := trialClient{ip: t.ip, authed: t.as}
	if !c.ip.IsValid() {
		c.ip = networkOf(event.PubKey{})
	}
	return c
}

// networkOf is an address in a /64 of the author's own, of those that are for
// documentation (RFC 3849).
func networkOf(pk event.PubKey) netip.Addr {
	a := [16]byte{0x20, 0x01, 0x0d, 0xb8, 15: 1}
	binary.BigEndian.PutUint32(a[4:], binary.BigEndian.Uint32(pk[:]))
	return netip.AddrFrom16(a)
}

type trialClient struct {
	ip     netip.Addr
	authed []event.PubKey
}

func (trialClient) ID() uint64               { return 1 }
func (c trialClient) IP() netip.Addr         { return c.ip }
func (trialClient) Host() string             { return "" }
func (trialClient) Path() string             { return "" }
func (c trialClient) Authed() []event.PubKey { return c.authed }

// stored is policy.Env.Stored over the store or, if there is none, over the
// events themselves, of which only the newest versions count.
func (t *trial) stored(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
	if t.store != nil {
		return stored(ctx, t.store, f, found)
	}
	if t.events == nil && !slices.Equal(f.Kinds, []uint16{event.KindReport}) { // reports are no list
		t.noStore.Do(func() { t.log.Warn("lists that are read from the store are empty here; name the store with --data") })
	}
	for e := range newest(t.events) {
		if !f.Matches(e) {
			continue
		}
		if err := found(e); err != nil {
			return err
		}
	}
	return nil
}

// newest are the events, the last first, without the older versions of those
// that replace each other.
func newest(events []*event.Event) iter.Seq[*event.Event] {
	return func(yield func(*event.Event) bool) {
		seen := map[event.Address]bool{}
		for _, e := range slices.Backward(events) {
			if a, ok := e.Address(); ok {
				if seen[a] {
					continue
				}
				seen[a] = true
			}
			if !yield(e) {
				return
			}
		}
	}
}
