package relay_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
)

// What was answered with OK true before the relay went down is stored.
func TestShutdownLosesNothingThatWasAcknowledged(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			st := open(t)
			r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) {
				c.ShutdownGrace = relaytest.Patience // all that they have sent is verified first
			}})
			const clients = 8
			var acked [clients][]event.ID
			var codes [clients]websocket.StatusCode
			var all sync.WaitGroup
			var told atomic.Int64
			for n := range clients {
				c := r.Dial(t)
				k := relaytest.NewKey(byte(20 + n))
				all.Go(func() {
					for i := 0; ; i++ {
						e := k.Note(t, fmt.Sprint(i))
						if c.TrySay(`["EVENT",`+string(e.Raw)+`]`) != nil {
							break
						}
					}
				})
				all.Go(func() {
					for {
						m, err := c.TryNext(relaytest.Patience)
						if err != nil {
							codes[n] = websocket.CloseStatus(err)
							return
						}
						if ok, err := wire.ParseReply([]byte(m)); err == nil && ok.OK {
							id, _ := event.ParseID(ok.ID)
							acked[n] = append(acked[n], id)
							told.Add(1)
						}
					}
				})
			}
			relaytest.Eventually(t, "some events", func() bool { return told.Load() > 200 })
			if err := r.Stop(); err != nil {
				t.Error(err)
			}
			all.Wait()
			stored := ids(t, st)
			for n := range acked {
				if codes[n] != 1012 {
					t.Errorf("client %d was told %d", n, codes[n])
				}
				for _, id := range acked[n] {
					if !stored[id] {
						t.Fatalf("client %d: %s was acknowledged and is not stored", n, id)
					}
				}
			}
			if _, _, err := relaytest.TryDial(r.URL); err == nil {
				t.Error("it still takes connections")
			}
		})
	}
}

// ids are those of everything stored.
func ids(t *testing.T, st store.Store) map[event.ID]bool {
	t.Helper()
	all := map[event.ID]bool{}
	scan := st.Scan(store.Query{Filters: []*event.Filter{{}}})
	if _, err := scan.Next(context.Background(), store.Page{}, func(r *store.Record) error { all[r.ID] = true; return nil }); err != nil {
		t.Fatal(err)
	}
	return all
}

func TestShutdownDoesNotWaitForThoseWhoDoNotRead(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.ShutdownGrace, c.WriteTimeout = time.Second, time.Hour })
	w := r.Dial(t)
	for i := range 300 {
		w.Publish(t, alice.Note(t, fmt.Sprintf("%50000d", i)))
	}
	for range 300 {
		w.Hear(t, wire.OK)
	}
	slow := dialRaw(t, r)
	slow.say(t, `["REQ","all",{}]`)
	relaytest.Eventually(t, "it is served", func() bool { return r.Metric(t, "moa_served_events_total") > 0 })
	begun := time.Now()
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	testwait.Speed(t, "the shutdown", time.Since(begun), 3*time.Second)
}

// brokenStore fails to commit while err is set.
type brokenStore struct {
	store.Store
	err atomic.Pointer[error]
}

func (s *brokenStore) Commit(ctx context.Context, now int64, batch []*event.Event) ([]store.Result, error) {
	if err := s.err.Load(); err != nil {
		return nil, *err
	}
	return s.Store.Commit(ctx, now, batch)
}

// pickyStore fails to commit a batch that has a certain event in it.
type pickyStore struct {
	store.Store
	bad  event.ID
	gate chan struct{} // the first commit waits for it
}

func (s *pickyStore) Commit(ctx context.Context, now int64, batch []*event.Event) ([]store.Result, error) {
	<-s.gate
	for _, e := range batch {
		if e.ID == s.bad {
			return make([]store.Result, len(batch)), errors.New("input/output error")
		}
	}
	return s.Store.Commit(ctx, now, batch)
}

// An event that the store cannot take fails alone, whatever else is in its batch.
func TestOneBadEventFailsAlone(t *testing.T) {
	bad := alice.Note(t, "bad")
	st := &pickyStore{Store: memstore.New(), bad: bad.ID, gate: make(chan struct{})}
	r := relaytest.Start(t, relaytest.Options{Store: st})
	c := r.Dial(t)
	const n = 20
	for i := range n {
		if c.Publish(t, alice.Note(t, fmt.Sprint(i))); i == n/2 {
			c.Publish(t, bad)
		}
	}
	close(st.gate)
	for range n + 1 {
		ok := c.Hear(t, wire.OK)
		if ok.OK == (ok.ID == bad.ID.String()) {
			t.Errorf("%s: OK %v %q", ok.ID, ok.OK, ok.Text)
		}
	}
}

func TestAFailingStoreAcknowledgesNothingAndReadsGoOn(t *testing.T) {
	for _, err := range []error{errors.New("input/output error"), fmt.Errorf("write: %w", store.ErrFull)} {
		st := &brokenStore{Store: memstore.New()}
		r := relaytest.Start(t, relaytest.Options{Store: st})
		c, live := r.Dial(t), r.Dial(t)
		live.Stored(t, "all", `{}`)
		before := alice.Note(t, "before")
		c.Accepted(t, before)
		live.Event(t, "all")
		st.err.Store(&err)
		lost := alice.Note(t, "lost")
		c.Refused(t, lost, "error: ")
		sameIDs(t, "reads go on", c.Query(t, `{}`), before)
		eph := alice.Sign(t, event.Event{Kind: 20000})
		c.Accepted(t, eph)
		sameIDs(t, "what is not stored is passed on", []*event.Event{live.Event(t, "all")}, eph)
		live.Quiet(t)
		st.err.Store(nil)
		c.Accepted(t, lost)
		live.Event(t, "all")
		if n := r.Metric(t, "moa_events_total", "fate", "failed"); n != 1 {
			t.Errorf("%v failures are counted", n)
		}
	}
}

// slowStore takes its time to commit.
type slowStore struct {
	store.Store
	gate chan struct{} // a commit takes one
}

func (s *slowStore) Commit(ctx context.Context, now int64, batch []*event.Event) ([]store.Result, error) {
	<-s.gate
	return s.Store.Commit(ctx, now, batch)
}

// A full queue makes the reader wait, which stops its client; nothing is lost
// and the bound holds.
func TestAFullQueueStopsTheSubmitter(t *testing.T) {
	st := &slowStore{Store: memstore.New(), gate: make(chan struct{})}
	const bound = 100
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Limits.TicketEvents = bound }})
	c := r.Dial(t)
	const total = 400
	for i := range total {
		c.Publish(t, alice.Note(t, fmt.Sprint(i)))
	}
	for i := range total {
		if i%20 == 0 {
			if n := r.Metric(t, "moa_tickets"); n > bound {
				t.Fatalf("%v tickets", n)
			}
		}
		for done := false; !done; {
			select {
			case st.gate <- struct{}{}:
			default:
			}
			m, err := c.TryNext(time.Millisecond)
			done = err == nil
			if ok, _ := wire.ParseReply([]byte(m)); done && !ok.OK {
				t.Fatal(m)
			}
		}
	}
	close(st.gate)
	if n := c.Count(t, `{}`); n != total {
		t.Errorf("%d are stored", n)
	}
}
