package relay_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
)

// stuckStore lets no page of a scan begin that is of kind 7777, until its gate
// is closed.
type stuckStore struct {
	store.Store
	gate chan struct{}
}

func (s *stuckStore) Scan(q store.Query) store.Scan {
	if slow := q.Filters[0].Kinds; len(slow) == 1 && slow[0] == 7777 {
		return stuckScan{s.Store.Scan(q), s.gate}
	}
	return s.Store.Scan(q)
}

type stuckScan struct {
	store.Scan
	gate chan struct{}
}

func (s stuckScan) Next(ctx context.Context, p store.Page, f func(*store.Record) error) (store.Progress, error) {
	<-s.gate
	return s.Scan.Next(ctx, p, f)
}

// Work for one address, on however many connections, takes half of the
// processors at most: whoever comes from elsewhere waits for none of it.
func TestWorkForOneAddressHoldsNobodyUp(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0))))
	st := &stuckStore{Store: stores["memory"](t), gate: make(chan struct{})}
	r := fromAfarOn(t, st, func(*relay.Config) {})
	open := sync.OnceFunc(func() { close(st.gate) })
	t.Cleanup(open)
	r.Dial(t).Accepted(t, alice.Note(t, "so that there is something to read"))
	var all []*relaytest.Client
	for range 2 * runtime.GOMAXPROCS(0) {
		c := dialAs(t, r, attacker)
		c.Say(t, `["REQ","slow",{"kinds":[7777]}]`)
		all = append(all, c)
	}
	relaytest.Eventually(t, "all ask", func() bool { return r.Metric(t, "moa_subscriptions") == float64(len(all)) })
	good := dialAs(t, r, honest)
	e := bob.Note(t, "all the same")
	good.Accepted(t, e)
	if got := good.Query(t, `{"authors":["`+bob.Hex()+`"]}`); len(got) != 1 {
		t.Errorf("%d events", len(got))
	}
	good.Query(t, manyAuthors(5000)) // which is a heavy one
	if n := good.Count(t, `{"kinds":[1]}`); n != 2 {
		t.Errorf("counted %d", n)
	}
	for _, c := range all {
		c.Accepted(t, alice.Note(t, "small ones are none of it")) // nor is anything of its own refused
	}
	open()
	for _, c := range all {
		c.Hear(t, wire.EOSE)
	}
}

func manyAuthors(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, `,"%064x"`, i+1)
	}
	return `{"authors":[` + b.String()[1:] + `]}`
}

// Events of many tags, of one address, that the writer has to store are so many a
// minute; small ones, ephemeral ones and those of others have nothing to do with it.
func TestEventsOfManyTagsAreBoundedByAddress(t *testing.T) {
	r := fromAfar(t, func(c *relay.Config) { c.Limits.TagsPerIP = 5000 })
	a, b := dialAs(t, r, attacker), dialAs(t, r, attacker)
	send := func(c *relaytest.Client, kind uint16, n, tags int) wire.Reply {
		return c.Send(t, carol.Sign(t, event.Event{Kind: kind, CreatedAt: time.Now().Unix(), Content: fmt.Sprint(n), Tags: numbered(tags)}))
	}
	taken := 0
	for i := range 8 {
		switch reply := send([]*relaytest.Client{a, b}[i%2], 1, i, 1000); {
		case reply.OK:
			taken++
		case !strings.HasPrefix(reply.Text, "rate-limited: "):
			t.Errorf("%s", reply.Text)
		}
	}
	if taken != 4 { // each weighs some more than its tags
		t.Errorf("%d events of 1000 tags were taken, of an address that has 5000 a minute", taken)
	}
	if n := refused(t, r, "tags", "address"); n != 4 {
		t.Errorf("%v refusals are counted", n)
	}
	for i := range 20 {
		if reply := send(a, 1, 100+i, 50); !reply.OK {
			t.Errorf("a small one: %s", reply.Text)
		}
	}
	if reply := send(a, 20001, 200, 1000); !reply.OK {
		t.Errorf("an ephemeral one: %s", reply.Text)
	}
	if reply := send(dialAs(t, r, honest), 1, 300, 1000); !reply.OK {
		t.Errorf("another address: %s", reply.Text)
	}
	a.Close()
	b.Close()
	again := dialAs(t, r, attacker)
	if reply := send(again, 5, 400, 200); reply.OK { // eight times as much
		t.Error("an address that comes again has all anew")
	}
	r.Advance(time.Minute)
	if reply := send(again, 1, 500, 5000); !reply.OK { // more than a minute's: all of it
		t.Errorf("a minute later: %s", reply.Text)
	}
}

func numbered(n int) (list []event.Tag) {
	for i := range n {
		list = append(list, event.Tag{"t", fmt.Sprint(i)})
	}
	return list
}
