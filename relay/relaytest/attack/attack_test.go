// Package attack attacks a relay on loopback, from addresses that a trusted proxy
// tells, and prints what honest clients notice of it. It has nothing but tests:
//
//	go test ./relay/relaytest/attack -attacks -v
package attack

import (
	"context"
	"flag"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	dto "github.com/prometheus/client_model/go"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store/badgerstore"
)

var wanted = flag.Bool("attacks", false, "attack a relay on loopback, for a minute and a half")

const (
	stored = 20_000          // notes
	calm   = 2 * time.Second // before each attack, twice
	storm  = 4 * time.Second // of each
)

// TestAttacks prints p99 of honest clients before and during each attack. It
// fails if they are served no more; how fast they are is for who reads it.
func TestAttacks(t *testing.T) {
	if !*wanted {
		t.Skip("only with -attacks: it takes a minute and a half, and both cores")
	}
	r := begin(t)
	h := newHonest(t, r)
	fmt.Printf("%-28s %23s %23s %23s  %s\n", "p99 before and during", "OK", "live", "EOSE", "")
	for _, a := range attacks {
		h.measure(t, calm) // what the attack before has left behind
		before := h.measure(t, calm)
		refused := refusals(t, r)
		stop := make(chan struct{})
		var attackers sync.WaitGroup
		attackers.Go(func() { a.run(&arena{t: t, r: r, stop: stop}) })
		during := h.measure(t, storm)
		close(stop)
		attackers.Wait()
		verdict := "held"
		if n := refusals(t, r) - refused; n > 0 {
			verdict = fmt.Sprintf("%.0f refused", n)
		} else if during.worse(before) {
			verdict = "SLOWER THAN 3x"
		}
		fmt.Printf("%-28s %s %s %s  %s\n", a.name, both(before.ok, during.ok), both(before.live, during.live), both(before.eose, during.eose), verdict)
	}
}

func begin(t *testing.T) *relaytest.Relay {
	st, err := badgerstore.Open(badgerstore.Options{Dir: t.TempDir(), CacheMB: 32, HotMB: 16, ReserveMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	batch := make([]*event.Event, 0, 1000)
	for i := range stored {
		e := event.Event{Kind: 1, CreatedAt: time.Now().Unix() - stored + int64(i), Content: fmt.Sprint(i), Tags: []event.Tag{{"t", fmt.Sprint("t", i%50)}}, PubKey: relaytest.NewKey(byte(i)).PubKey}
		e.ID = event.ComputeID(&e)
		parsed, err := event.ParseTrusted(e.Append(nil))
		if err != nil {
			t.Fatal(err)
		}
		if batch = append(batch, parsed); len(batch) == cap(batch) {
			if _, err := st.Commit(context.Background(), time.Now().Unix(), batch); err != nil {
				t.Fatal(err)
			}
			batch = make([]*event.Event, 0, 1000)
		}
	}
	chain, faults := builtin.Build(policy.Env{}, nil, nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return relaytest.Start(t, relaytest.Options{Store: st, Chain: chain, Config: func(c *relay.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
		c.Geo.HTTP = true
		c.Limits.Handshakes = 400 // both ends are files of this process
	}})
}

// refusals are all that the relay has counted.
func refusals(t *testing.T, r *relaytest.Relay) (n float64) {
	families, err := r.Metrics.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range families {
		switch f.GetName() {
		case "moa_bounds_refused_total", "moa_connections_refused_total", "moa_events_total", "moa_closed_total":
			for _, m := range f.GetMetric() {
				if f.GetName() != "moa_events_total" || fateOf(m) == "refused" {
					n += m.GetCounter().GetValue()
				}
			}
		}
	}
	return n
}

func fateOf(m *dto.Metric) string { return m.GetLabel()[0].GetValue() }

// honest is a writer and a reader, each with its own address.
type honest struct {
	writer, reader *relaytest.Client
	ask            string // finds no live event
	n              int
}

func newHonest(t *testing.T, r *relaytest.Relay) *honest {
	h := &honest{writer: r.Dial(t, "X-Forwarded-For", "198.51.100.1"), reader: r.Dial(t, "X-Forwarded-For", "198.51.100.2")}
	h.ask = fmt.Sprintf(`{"kinds":[1],"until":%d,"limit":20}`, time.Now().Unix()-60)
	h.reader.Stored(t, "live", `{"kinds":[1],"#t":["honest"],"limit":0}`)
	return h
}

type times struct{ ok, live, eose []time.Duration }

// measure writes, hears and asks again and again for so long.
func (h *honest) measure(t *testing.T, long time.Duration) (m times) {
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		h.n++
		e := relaytest.NewKey(200).Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix(), Content: fmt.Sprint("honest ", h.n), Tags: []event.Tag{{"t", "honest"}}})
		start := time.Now()
		h.writer.Accepted(t, e)
		m.ok = append(m.ok, time.Since(start))
		if got := h.reader.Event(t, "live"); got.ID != e.ID {
			t.Fatal("another event, or one twice")
		}
		m.live = append(m.live, time.Since(start))
		start = time.Now()
		if got := h.writer.Stored(t, "ask", h.ask); len(got) != 20 {
			t.Fatalf("%d stored events", len(got))
		}
		m.eose = append(m.eose, time.Since(start))
		h.writer.Say(t, `["CLOSE","ask"]`)
	}
	return m
}

func p99(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)*99/100]
}

func both(before, during []time.Duration) string {
	ms := func(list []time.Duration) string { return fmt.Sprintf("%.1f", float64(p99(list).Microseconds())/1000) }
	return fmt.Sprintf("%9s -> %7s ms", ms(before), ms(during))
}

func (m times) worse(than times) bool {
	return p99(m.ok) > 3*p99(than.ok) || p99(m.live) > 3*p99(than.live) || p99(m.eose) > 3*p99(than.eose)
}
