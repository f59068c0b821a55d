// Package attack attacks a relay on loopback, from addresses that a trusted proxy
// tells, and prints what honest clients notice of it. It has nothing but tests:
//
//	go test ./relay/relaytest/attack -attacks -v
//
// The relay, the honest clients and the attackers are a process each. The last
// one has the lowest priority, and what costs much to make is made before, so
// that the processors are the relay's and what slows it is what was sent to it.
//
// The first row is no attack: as many of the relay's processors as one address may
// have are busy with nothing. What that does to honest clients is the kernel's and
// the disk's: a synced write waits for a kernel thread, which may wait for a tick of
// the clock behind whatever runs on its processor. An attack that is as bad as that,
// and no worse, has had no more than the share of one address.
package attack

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
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

var (
	wanted = flag.Bool("attacks", false, "attack a relay on loopback, for two and a half minutes")
	only   = flag.String("only", "", "with -attacks: only those that have this in their name")
)

const (
	stored = 20_000          // notes
	calm   = 2 * time.Second // before each attack, twice
	storm  = 4 * time.Second // of each
)

// TestAttacks prints p99 of honest clients before and during each attack. It
// fails if they are not served any more; the reader judges how fast they are.
func TestAttacks(t *testing.T) {
	if !*wanted {
		t.Skip("only with -attacks: it takes two and a half minutes, and both cores")
	}
	r := begin(t)
	h := startSide(t, r, "honest", false)
	defer h.end()
	measure := func(long time.Duration) (m times) {
		h.tell(t, long.String())
		if err := json.Unmarshal([]byte(h.answer(t)), &m); err != nil {
			t.Fatal(err)
		}
		return m
	}
	fmt.Printf("p99 of an honest writer and an honest reader, before and during each attack from one address; %d processors,\n", runtime.GOMAXPROCS(0))
	fmt.Printf("the relay and the honest clients in processes of their own, the attackers in one at nice 19\n")
	fmt.Printf("%-28s %23s %23s %23s\n", "", "OK", "live", "EOSE")
	measure(calm)
	before := measure(calm)
	stop := occupy(max(1, runtime.GOMAXPROCS(0)/2))
	row("no attack, busy processors", before, measure(storm), "")
	spinner := startSide(t, r, spin.name, true)
	spinner.tell(t, "go")
	control := measure(storm)
	spinner.end()
	stop()
	row("the same, and a busy sender", before, control, "")
	for _, a := range slices.Concat(attacks, floods) {
		if !strings.Contains(a.name, *only) {
			continue
		}
		side := startSide(t, r, a.name, true)
		measure(calm) // what the attack before has left behind
		before := measure(calm)
		refused := refusals(t, r)
		side.tell(t, "go")
		during := measure(storm)
		side.end()
		verdict := "held"
		if n := refusals(t, r) - refused; n > 0 {
			verdict = fmt.Sprintf("%.0f refused", n)
		} else if during.worse(before, 3) {
			verdict = "as busy processors"
			if during.worse(control, 1.5) {
				verdict = "SLOWER THAN 3x"
			}
		}
		row(a.name, before, during, verdict)
	}
}

func row(name string, before, during times, verdict string) {
	fmt.Printf("%-28s %s %s %s  %s\n", name, both(before.OK, during.OK), both(before.Live, during.Live), both(before.EOSE, during.EOSE), verdict)
}

// occupy keeps n processors of the relay busy, in pieces as long as its own, until
// stop is called.
func occupy(n int) (stop func()) {
	var over atomic.Bool
	for range n {
		go func() {
			for ; !over.Load(); runtime.Gosched() {
				for end := time.Now().Add(400 * time.Microsecond); time.Now().Before(end); {
				}
			}
		}()
	}
	return func() { over.Store(true) }
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

// times are p99 of what was measured.
type times struct{ OK, Live, EOSE time.Duration }

// measure writes, hears and asks again and again for so long.
func (h *honest) measure(t *testing.T, long time.Duration) times {
	var ok, live, eose []time.Duration
	for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(2 * time.Millisecond) {
		h.n++
		e := relaytest.NewKey(200).Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix(), Content: fmt.Sprint("honest ", h.n), Tags: []event.Tag{{"t", "honest"}}})
		start := time.Now()
		h.writer.Accepted(t, e)
		ok = append(ok, time.Since(start))
		if got := h.reader.Event(t, "live"); got.ID != e.ID {
			t.Fatal("another event, or one twice")
		}
		live = append(live, time.Since(start))
		start = time.Now()
		if got := h.writer.Stored(t, "ask", h.ask); len(got) != 20 {
			t.Fatalf("%d stored events", len(got))
		}
		eose = append(eose, time.Since(start))
		h.writer.Say(t, `["CLOSE","ask"]`)
	}
	return times{p99(ok), p99(live), p99(eose)}
}

func p99(list []time.Duration) time.Duration {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[len(list)*99/100]
}

func both(before, during time.Duration) string {
	ms := func(d time.Duration) string { return fmt.Sprintf("%.1f", float64(d.Microseconds())/1000) }
	return fmt.Sprintf("%9s -> %7s ms", ms(before), ms(during))
}

// worse reports that one of m is more than so many times as long.
func (m times) worse(than times, factor float64) bool {
	more := func(a, b time.Duration) bool { return float64(a) > factor*float64(b) }
	return more(m.OK, than.OK) || more(m.Live, than.Live) || more(m.EOSE, than.EOSE)
}
