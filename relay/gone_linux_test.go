package relay_test

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
)

// countedStore counts the pages that are read, of which the first waits at the gate.
type countedStore struct {
	store.Store
	gate  chan struct{}
	pages atomic.Int64
}

func (s *countedStore) Scan(q store.Query) store.Scan { return &countedScan{s.Store.Scan(q), s} }

func (s *countedStore) Count(q store.Query) store.Scan { return &countedScan{s.Store.Count(q), s} }

type countedScan struct {
	store.Scan
	s *countedStore
}

func (p *countedScan) Next(ctx context.Context, page store.Page, found func(*store.Record) error) (store.Progress, error) {
	p.s.pages.Add(1)
	<-p.s.gate
	return p.Scan.Next(ctx, page, found)
}

// leave ends the connection as a program does that ends, or as one does that is
// killed with something unread.
func (c *rawConn) leave(reset bool) {
	if reset {
		c.Conn.(*net.TCPConn).SetLinger(0)
	}
	c.Close()
}

// What a client has asked before it went is not looked up, whether it lies in the
// socket, in the session's hands or in a queue.
func TestNothingIsReadForAClientThatHasGone(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(2)) // one slot for the address
	full := stores["memory"](t)
	fill(t, full, 4000)
	// A few messages are taken as they come, the kernel takes its time, and at first it
	// alone is asked.
	const most = 60
	for _, c := range []struct{ name, ask string }{
		{"NEG-OPENs", `["NEG-OPEN","%d",{},"61"]`},
		{"COUNTs", `["COUNT","%d",{"until":1800000000}]`},
		{"REQs", `["REQ","%d",{"limit":5000}]`},
	} {
		for _, ids := range []int{1, 32} { // one question that is asked again, and many
			for _, end := range []struct {
				name  string
				reset bool
				many  int
			}{
				{"closed", false, 1000},
				{"reset", true, 1000},
				{"closed behind a full window", false, 10_000},
			} {
				t.Run(fmt.Sprintf("%s of %d ids, %s", c.name, ids, end.name), func(t *testing.T) {
					st := &countedStore{Store: full, gate: make(chan struct{})}
					r := fromAfarOn(t, st, func(*relay.Config) {})
					client := dialRawAs(t, r, attacker)
					client.Conn.(*net.TCPConn).SetWriteBuffer(4 << 20) // or as much as the system lets it
					var all []byte
					for i := range end.many {
						all = append(all, textFrame(fmt.Sprintf(c.ask, i%ids))...)
					}
					client.SetWriteDeadline(time.Now().Add(relaytest.Patience))
					if _, err := client.Write(all); err != nil {
						t.Fatal(err)
					}
					relaytest.Eventually(t, "a page is under way", func() bool { return st.pages.Load() == 1 })
					client.leave(end.reset)
					close(st.gate)
					relaytest.Eventually(t, "the session has ended", func() bool {
						return r.Metric(t, "moa_connections") == 0 && r.Metric(t, "moa_syncs") == 0 && r.Metric(t, "moa_subscriptions") == 0
					})
					if err := r.Stop(); err != nil { // nothing is under way any more
						t.Fatal(err)
					}
					if n := st.pages.Load(); n > most {
						t.Errorf("%d pages were read", n)
					}
					if n := endings(t, r, "client_gone"); n != 1 {
						t.Errorf("%v connections have ended because their clients had gone", n)
					}
				})
			}
		}
	}
}

// A client that publishes and goes has published: all of its EVENTs that have come,
// with questions between them, and those that need its AUTH.
func TestWhatAClientHasPublishedBeforeItWentIsStored(t *testing.T) {
	for _, reset := range []bool{false, true} {
		t.Run(fmt.Sprintf("reset %v", reset), func(t *testing.T) {
			r := start(t, func(c *relay.Config) { c.AuthOnConnect = true })
			c := dialRaw(t, r)
			_, auth, err := c.frame()
			if err != nil {
				t.Fatal(err)
			}
			const n = 60
			var all []byte
			for i := range n {
				if i == n/2 {
					e := alice.Auth(t, r.URL, strings.Split(string(auth), `"`)[3])
					all = append(all, textFrame(`["AUTH",`+string(e.Raw)+`]`)...)
				}
				e := event.Event{Kind: 1, CreatedAt: time.Now().Unix(), Content: fmt.Sprint(i)}
				if i > n/2 {
					e.Tags = tags([]string{"-"})
				}
				all = append(all, textFrame(`["EVENT",`+string(alice.Sign(t, e).Raw)+`]`)...)
				all = append(all, textFrame(`["REQ","q",{}]`)...)
			}
			if _, err := c.Write(all); err != nil {
				t.Fatal(err)
			}
			c.leave(reset)
			relaytest.Eventually(t, "the session has ended", func() bool { return r.Metric(t, "moa_connections") == 0 })
			if got := r.Dial(t).Query(t, `{"kinds":[1],"limit":1000}`); len(got) != n {
				t.Errorf("%d of %d events are stored", len(got), n)
			}
		})
	}
}
