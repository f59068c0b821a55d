package relay_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
	"moa/store"
)

// workStore counts what its scans and counts look at.
type workStore struct {
	store.Store
	work atomic.Int64
}

func (s *workStore) Scan(q store.Query) store.Scan  { return &workScan{s.Store.Scan(q), s} }
func (s *workStore) Count(q store.Query) store.Scan { return &workScan{s.Store.Count(q), s} }

type workScan struct {
	store.Scan
	s *workStore
}

func (s *workScan) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	p, err := s.Scan.Next(ctx, page, found)
	s.s.work.Add(int64(p.Work))
	return p, err
}

// A client that asks for another's messages does not learn, not even by the clock,
// how many there are.
func TestMessagesOfOthersAreNotLookedFor(t *testing.T) {
	st := &workStore{Store: stores["badger"](t)}
	r := relaytest.Start(t, relaytest.Options{Store: st})
	w := r.Dial(t)
	for i := range 300 {
		w.Accepted(t, carol.Sign(t, event.Event{Kind: 1059, CreatedAt: int64(i), Tags: tags([]string{"p", bob.Hex()})}))
	}
	c := r.Dial(t)
	c.Authenticate(t, alice, c.Challenge(t))
	filter := `{"kinds":[1059],"#p":["` + bob.Hex() + `"]}`
	for _, ask := range []struct {
		name string
		ask  func()
	}{
		{"REQ", func() { sameIDs(t, "wraps of others", c.Query(t, filter)) }},
		{"COUNT", func() {
			if n := c.Count(t, filter); n != 0 {
				t.Errorf("%d counted", n)
			}
		}},
		{"NEG", func() {
			c.Say(t, `["NEG-OPEN","n",%s,"61"]`, filter)
			c.Hear(t, wire.NegMsg)
		}},
	} {
		before := st.work.Load()
		ask.ask()
		if n := st.work.Load() - before; n > 10 {
			t.Error(fmt.Sprint(ask.name, ": ", n, " of work for what alice may not see"))
		}
	}
}
