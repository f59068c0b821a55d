// Package trial asks a chain of policies what it would refuse, beside the relay that
// has it: nothing is stored, nobody is told, and nothing is printed. Writes asks about
// many events, Reads about many filters, and Explain about a single one.
package trial

import (
	"context"
	"encoding/binary"
	"errors"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"moa/nips/event"
	"moa/policy"
)

// Options say who asks, and when.
type Options struct {
	EventTime       bool           // the policies' clock is that of each event; otherwise it is the real one
	Unauthenticated bool           // clients have not authenticated
	As              []event.PubKey // whom clients have authenticated as; nil: writers as the author, readers not
	IP              netip.Addr     // of every client; not valid: each author has a network of its own
	Log             *slog.Logger   // of the policies
	// NoStore is called, once, when a policy reads a list from a store and there is
	// none; nil: nobody is told.
	NoStore func()
}

// ErrNoStore says that there are no events in which anything could be looked for.
var ErrNoStore = errors.New("trial: there is no store")

// Lists is where the events are from which policies read lists of people.
type Lists interface {
	// Stored is policy.Env.Stored. It may return ErrNoStore: the lists are empty then.
	Stored(ctx context.Context, f *event.Filter, found func(*event.Event) error) error
}

// Store is where the events are that policies and filters look for.
type Store interface {
	Lists
	// Find does what a relay does to answer a question, and returns how many
	// events it shows. It asks about each with visible.
	Find(ctx context.Context, q Question, visible func(*event.Event) bool) (shown int, err error)
}

// Trial is a chain on trial. It is ready when Chain is set; the chain is built in
// the Env of the trial.
type Trial struct {
	Chain *policy.Chain
	Store Store // nil: there is none
	Lists Lists // nil: they are in Store

	options Options
	noStore sync.Once    // tells that there is no store
	now     atomic.Int64 // the policies' clock, Unix seconds; 0: the real one
}

// New returns a trial without a chain.
func New(o Options) *Trial { return &Trial{options: o} }

// Env is what the policies on trial may use.
func (t *Trial) Env() policy.Env {
	return policy.Env{Log: t.options.Log, Stored: t.stored, Now: t.Now}
}

// Now is the policies' time.
func (t *Trial) Now() time.Time {
	if now := t.now.Load(); now != 0 {
		return time.Unix(now, 0)
	}
	return time.Now()
}

// As is whom readers have authenticated as.
func (t *Trial) As() []event.PubKey { return t.options.As }

// loadTime is how long lists and plugins may take before they are asked as they are.
const loadTime = 30 * time.Second

// Run lets the policies work in the background while ask asks them. It calls late
// with those that are not ready after a time, and goes on without waiting for them.
func (t *Trial) Run(ctx context.Context, late func(after time.Duration, missing []string), ask func(context.Context) error) error {
	working, stop := context.WithCancel(ctx)
	ended := make(chan error, 1)
	go func() { ended <- t.Chain.Run(working) }()
	waiting, cancel := context.WithTimeout(ctx, loadTime)
	if missing := t.Chain.Loaded(waiting); missing != nil && ctx.Err() == nil {
		late(loadTime, missing)
	}
	cancel()
	err := ask(ctx)
	stop()
	return errors.Join(err, <-ended)
}

// stored is policy.Env.Stored over the lists or the store, if there are any.
func (t *Trial) stored(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
	lists, err := t.Lists, ErrNoStore
	if lists == nil && t.Store != nil {
		lists = t.Store
	}
	if lists != nil {
		err = lists.Stored(ctx, f, found)
	}
	if !errors.Is(err, ErrNoStore) {
		return err
	}
	if t.options.NoStore != nil && !slices.Equal(f.Kinds, []uint16{event.KindReport}) { // reports are no list
		t.noStore.Do(t.options.NoStore)
	}
	return nil
}

// writer is the client that sends an event. It sets the clock to the time at which
// that was made, if the trial's clock is that of the events.
func (t *Trial) writer(e *event.Event) policy.Client {
	if t.options.EventTime {
		t.now.Store(e.CreatedAt)
	}
	c := client{ip: t.options.IP, authed: t.options.As}
	if !c.ip.IsValid() {
		c.ip = networkOf(e.PubKey)
	}
	if c.authed == nil && !t.options.Unauthenticated {
		c.authed = []event.PubKey{e.PubKey}
	}
	return c
}

// reader is the client that reads.
func (t *Trial) reader() policy.Client {
	c := client{ip: t.options.IP, authed: t.options.As}
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

type client struct {
	ip     netip.Addr
	authed []event.PubKey
}

func (client) ID() uint64               { return 1 }
func (c client) IP() netip.Addr         { return c.ip }
func (client) Host() string             { return "" }
func (client) Path() string             { return "" }
func (c client) Authed() []event.PubKey { return c.authed }
