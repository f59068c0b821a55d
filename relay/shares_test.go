package relay_test

import (
	"fmt"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store"
)

// fromAfar is a relay to which tests connect from addresses of their choice.
func fromAfar(t *testing.T, change func(*relay.Config)) *relaytest.Relay {
	t.Helper()
	return fromAfarOn(t, nil, change)
}

func fromAfarOn(t *testing.T, st store.Store, change func(*relay.Config)) *relaytest.Relay {
	t.Helper()
	return relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		change(c)
	}})
}

func dialAs(t testing.TB, r *relaytest.Relay, ip string) *relaytest.Client {
	t.Helper()
	return r.Dial(t, "X-Forwarded-For", ip)
}

const (
	attacker = "203.0.113.7"
	honest   = "198.51.100.1"
)

// refused is how often a bound was met.
func refused(t testing.TB, r *relaytest.Relay, of, scope string) float64 {
	return r.Metric(t, "moa_bounds_refused_total", "of", of, "scope", scope)
}

func held(t testing.TB, r *relaytest.Relay, of string) float64 {
	return r.Metric(t, "moa_bounds_held", "of", of)
}

// Open filters are bounded by what they take, however few values that is.
func TestOpenFiltersAreBoundedByBytes(t *testing.T) {
	const each = 200_000
	r := fromAfar(t, func(c *relay.Config) { c.Limits.FilterBytes, c.Limits.FiltersTotalMiB = 1<<20, 8 })
	value := strings.Repeat("x", each)
	ask := func(c *relaytest.Client, id int) wire.Reply {
		c.Say(t, `["REQ","%d",{"#t":["%s%d"],"limit":0}]`, id, value, id)
		reply, err := wire.ParseReply([]byte(c.Next(t)))
		if err != nil {
			t.Fatal(err)
		}
		return reply
	}
	before := heap()
	opened := 0
	for range 4 { // the fourth of an address that has its share
		c := dialAs(t, r, attacker)
		for i := range 10 {
			if reply := ask(c, i); reply.Verb == wire.EOSE {
				opened++
			} else if reply.Verb != wire.Closed || !strings.HasPrefix(reply.Text, "rate-limited: ") {
				t.Fatalf("%+v", reply)
			}
		}
	}
	if opened != 2<<20/each {
		t.Errorf("%d filters of %d bytes are open, of an address that may have 2 MiB", opened, each)
	}
	if refused(t, r, "filters", "connection") == 0 || refused(t, r, "filters", "address") == 0 {
		t.Error("the refusals are not counted")
	}
	if now := heap(); now > before+6<<20 {
		t.Errorf("%d KB of filters in memory", (now-before)>>10)
	}
	other := dialAs(t, r, honest)
	if reply := ask(other, 1); reply.Verb != wire.EOSE {
		t.Errorf("another address: %+v", reply)
	}
	other.Say(t, `["CLOSE","1"]`)
	other.Query(t, `{"#t":["y"]}`)
	if n := held(t, r, "filters"); n > float64(opened*(each+1024)) {
		t.Errorf("%v bytes are held after a CLOSE", n)
	}
}

// So are those of COUNTs and of reconciliations, as long as these wait or are open.
func TestFiltersThatWaitAreBoundedByBytes(t *testing.T) {
	const each = 200_000
	st := &heldStore{Store: stores["memory"](t)}
	r := fromAfarOn(t, st, func(c *relay.Config) { c.Limits.FilterBytes, c.Limits.FiltersTotalMiB = 1<<20, 8 })
	r.Dial(t).Accepted(t, alice.Note(t, "so that there is something to read"))
	value := strings.Repeat("x", each)
	for _, verb := range []string{"COUNT", "NEG-OPEN"} {
		t.Run(verb, func(t *testing.T) {
			release, rest := st.hold(), ""
			if verb == "NEG-OPEN" {
				rest = `,"61"`
			}
			workers := max(1, runtime.GOMAXPROCS(0)/2)
			for i := range workers { // all are busy for others
				begun := st.waiting.Load()
				dialAs(t, r, fmt.Sprint("198.51.100.", 10+i)).Say(t, `["%s","x",{}%s]`, verb, rest)
				relaytest.Eventually(t, "a worker is busy", func() bool { return st.waiting.Load() > begun })
			}
			before, many := heap(), workers
			for range 3 { // an address has 2 MiB
				c := dialAs(t, r, attacker)
				defer c.Close()
				for i := range 10 {
					c.Say(t, `["%s","%d",{"#t":["%s"]}%s]`, verb, i, value, rest)
					many++
				}
			}
			relaytest.Eventually(t, "all have come", func() bool { return r.Metric(t, "moa_messages_total", "verb", verb) == float64(many) })
			if n := held(t, r, "filters"); n < each || n > 2<<20 {
				t.Errorf("%v bytes of filters are held for one address", n)
			}
			if refused(t, r, "filters", "connection") == 0 || refused(t, r, "filters", "address") == 0 {
				t.Error("the refusals are not counted")
			}
			if now := heap(); now > before+8<<20 {
				t.Errorf("%d KB of filters in memory", (now-before)>>10)
			}
			release()
		})
		relaytest.Eventually(t, "nothing is held", func() bool { return held(t, r, "filters") == 0 })
	}
}

// Filters of many values are charged at least what they take.
func TestFiltersTakeWhatTheyAreChargedFor(t *testing.T) {
	r := start(t, func(*relay.Config) {})
	c := r.Dial(t)
	before := heap()
	for i := range 5 {
		var b strings.Builder
		for j := range 2000 {
			fmt.Fprintf(&b, `"%064x",`, i*10_000+j)
		}
		list := strings.TrimSuffix(b.String(), ",")
		c.Stored(t, fmt.Sprint("a", i), `{"authors":[`+list+`],"kinds":[1]}`)
		c.Stored(t, fmt.Sprint("e", i), `{"#e":[`+list+`]}`)
	}
	took, charged := heap()-before, held(t, r, "filters")
	t.Logf("%d KB taken, %.0f KB charged", took>>10, charged/1024)
	if float64(took) > charged*1.2 {
		t.Errorf("%d KB taken, %.0f KB charged", took>>10, charged/1024)
	}
}

// Live events that wait behind a slow REQ are bounded by their bytes: beyond
// that the subscription ends, not the connection.
func TestEventsBehindASlowREQAreBoundedByBytes(t *testing.T) {
	const size, outbox = 100_000, 1 << 20
	st := &gatedStore{Store: stores["memory"](t), gate: make(chan struct{})}
	r := relaytest.Start(t, relaytest.Options{Store: st, Config: func(c *relay.Config) { c.Limits.OutboxBytes = outbox }})
	w := r.Dial(t)
	w.Accepted(t, bob.Note(t, "stored"))
	slow := r.Dial(t)
	for i := range 8 {
		slow.Say(t, `["REQ","%d",{"#t":["w%d"]}]`, i, i)
	}
	slow.Say(t, `["REQ","other",{"#t":["other"]}]`)
	relaytest.Eventually(t, "all subscribe", func() bool { return r.Metric(t, "moa_subscriptions") == 9 })
	before := heap()
	for i := range 80 {
		w.Accepted(t, alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: strings.Repeat("x", size) + fmt.Sprint(i), Tags: tags([]string{"t", fmt.Sprint("w", i%8)})}))
	}
	w.Accepted(t, alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Tags: tags([]string{"t", "other"})}))
	if now := heap(); now > before+3*outbox {
		t.Errorf("%d KB wait for one client that may have %d", (now-before)>>10, outbox>>10)
	}
	relaytest.Eventually(t, "the refusals are counted", func() bool { return refused(t, r, "outbox", "connection") > 0 })
	close(st.gate)
	closed := 0
	for {
		m := slow.Next(t)
		if strings.HasPrefix(m, `["CLOSED"`) {
			closed++
			if !strings.Contains(m, `"error: `) {
				t.Errorf("%s", m)
			}
		}
		if strings.HasPrefix(m, `["EVENT","other"`) {
			break
		}
	}
	relaytest.Eventually(t, "nothing waits", func() bool { return held(t, r, "outbox") == 0 })
	if closed == 0 {
		t.Error("no subscription was closed")
	}
	slow.Query(t, `{}`)
}

// What waits for all clients together has a bound, and an address a share of
// it: those go first that have most.
func TestWhatWaitsForAllClientsIsBounded(t *testing.T) {
	for _, c := range []struct {
		scope   string
		reason  string
		address func(i int) string
		most    int
	}{
		{"address", "outbox_share", func(int) string { return attacker }, 2 << 20},
		{"all", "outbox_total", func(i int) string { return fmt.Sprintf("203.0.113.%d", i) }, 8 << 20},
	} {
		t.Run(c.scope, func(t *testing.T) { unreadEvents(t, c.scope, c.reason, c.address, c.most) })
	}
}

func unreadEvents(t *testing.T, scope, reason string, address func(i int) string, bound int) {
	const size, groups = 100_000, 16 // each connection is to hold other events
	r := fromAfar(t, func(c *relay.Config) { c.Limits.OutboxBytes, c.Limits.OutboxTotalMiB = 1<<20, 8 })
	w, good := dialAs(t, r, honest), dialAs(t, r, honest)
	for i := range groups {
		c := dialRawAs(t, r, address(i))
		c.say(t, fmt.Sprintf(`["REQ","x",{"kinds":[20001],"#t":["%d"]}]`, i))
	}
	good.Stored(t, "x", `{"kinds":[20001]}`)
	relaytest.Eventually(t, "all subscribe", func() bool { return r.Metric(t, "moa_subscriptions") == groups+1 })
	before := heap()
	most := 0.0
	content := strings.Repeat("x", size)
	for i := 0; i < 5000 && refused(t, r, "outbox", scope) == 0; i++ {
		e := alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: content + fmt.Sprint(i), Tags: tags([]string{"t", fmt.Sprint(i % groups)})})
		w.Accepted(t, e)
		if got := good.Event(t, "x"); got.ID != e.ID {
			t.Fatal("another event")
		}
		most = max(most, held(t, r, "outbox"))
	}
	if most < float64(bound)/2 || most > float64(bound+2*size) {
		t.Errorf("%.0f KB waited at most", most/1024)
	}
	if now := heap(); now > before+uint64(2*bound) {
		t.Errorf("%d KB of heap", (now-before)>>10)
	}
	relaytest.Eventually(t, "one is ended", func() bool { return endings(t, r, reason) > 0 })
	if n := r.Metric(t, "moa_connections"); n < groups/2 {
		t.Errorf("only %v connections are left", n)
	}
	good.Query(t, `{}`)
}

// COUNTs are counted page by page, in turn for each address; of filters that
// others contain nothing is counted; and one address has so many under way.
func TestCOUNTsOfOneAddressHoldNobodyUp(t *testing.T) {
	st := stores["memory"](t)
	fill(t, st, 20_000)
	r := fromAfarOn(t, st, func(c *relay.Config) { c.Limits.CountsPerIP = 40 })
	var many strings.Builder
	for i := range 32 {
		fmt.Fprintf(&many, `,{"since":%d,"kinds":[1,%d]}`, i, 2+i) // none contains another
	}
	busy := 0
	for range 3 {
		c := dialAs(t, r, attacker)
		for i := range 30 {
			c.Say(t, `["COUNT","%d"%s]`, i, many.String())
			busy++
		}
	}
	relaytest.Eventually(t, "all are there", func() bool { return r.Metric(t, "moa_messages_total", "verb", "COUNT") == float64(busy) })
	if refused(t, r, "counts", "address") == 0 {
		t.Error("an address has more COUNTs under way than it may have")
	}
	other := dialAs(t, r, honest)
	before := r.Metric(t, "moa_count_seconds")
	if n := other.Count(t, `{"authors":["`+bob.Hex()+`"]}`); n != 0 {
		t.Errorf("%d", n)
	}
	if n := r.Metric(t, "moa_count_seconds") - before; n > 8 {
		t.Errorf("%v COUNTs of another address came first", n)
	}
	if n := other.Count(t, `{}`, `{"since":1}`, `{"kinds":[1]}`); n != 20_000 {
		t.Errorf("%d", n)
	}
}

// An answer about places counts until it is out: clients that do not read hold no
// more than an address's share, and others are answered.
func TestUnreadAnswersAboutPlacesAreBounded(t *testing.T) {
	st := stores["memory"](t)
	r := fromAfarOn(t, st, func(c *relay.Config) {
		overHTTP(c)
		c.Limits.ContentLength, c.WriteTimeout = 500_000, time.Hour
	})
	w := r.Dial(t)
	for i := range 9 {
		w.Accepted(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: int64(1000 + i), Content: strings.Repeat("x", 440_000), Tags: tags([]string{"g", "u33db"})}))
	}
	const ask = "GET /geo/events?bbox=13,52,14,53&limit=500 HTTP/1.1\r\nHost: relay\r\nX-Forwarded-For: %s\r\n\r\n"
	before := heap()
	for range 40 {
		c := dialFrom(t, "127.0.0.1", r.Addr)
		c.(*net.TCPConn).SetReadBuffer(4096)
		fmt.Fprintf(c, ask, attacker)
	}
	relaytest.Eventually(t, "most are refused", func() bool { return refused(t, r, "geo", "address")+refused(t, r, "geo", "all") >= 30 })
	// An answer that is being made takes more for a moment.
	relaytest.Eventually(t, "12 MiB hold what one address has", func() bool { return heap() <= before+12<<20 })
	relaytest.Eventually(t, "another address is answered", func() bool {
		resp, body := get(t, r, "GET", "/geo/events?bbox=13,52,14,53&limit=1", "X-Forwarded-For", honest)
		return resp.StatusCode == 200 && len(body) > 400_000
	})
	if n := held(t, r, "geo"); n > 8<<20 {
		t.Errorf("%v bytes are held", n)
	}
}

// Requests to vanish stay, so a day has a bound as an hour has.
func TestNIP62RequestsOfADayAreLimited(t *testing.T) {
	r := fromAfar(t, func(c *relay.Config) { c.Limits.VanishesPerIP, c.Limits.Vanishes = 2, 100 })
	c := dialAs(t, r, attacker)
	taken := 0
	for i := range 23 { // hours
		for j := range 2 {
			k := relaytest.NewKey(byte(10 + 2*i + j))
			if c.Send(t, vanish(t, k, time.Now().Unix(), "ALL_RELAYS")).OK {
				taken++
			}
		}
		r.Advance(time.Hour)
	}
	if taken < 10 || taken > 20 { // five hours' worth, and what the day gives back
		t.Errorf("%d in a day, where an hour has 2", taken)
	}
	dialAs(t, r, honest).Accepted(t, vanish(t, bob, time.Now().Unix(), "ALL_RELAYS"))
}

// What a filter holds on to is what it is charged for: not the message that it
// came in, nor what of that was left out.
func TestFiltersHoldNothingOfTheirMessages(t *testing.T) {
	const each, many = 400_000, 20
	r := fromAfar(t, func(*relay.Config) {})
	long := strings.Repeat("x", each)
	var twice strings.Builder
	for range each / 100 {
		fmt.Fprintf(&twice, `,"%s"`, strings.Repeat("y", 97))
	}
	for name, filter := range map[string]string{
		"an unknown field":   `{"#t":["a%d"],"%[2]s":"%[3]s","limit":0}`,
		"another tag":        `{"#t":["a%d"],"#%[2]s":["%[3]s"],"limit":0}`,
		"white space":        `{"#t":["a%d"],"limit":0` + strings.Repeat(" ", each) + `%.0[2]s%.0[3]s}`,
		"a value many times": `{"#t":["a%d"` + twice.String() + `],"limit":0%.0[2]s%.0[3]s}`,
	} {
		t.Run(name, func(t *testing.T) {
			c := dialAs(t, r, attacker)
			defer c.Close()
			charged, before := held(t, r, "filters"), heap()
			for i := range many {
				c.Say(t, `["REQ","%d",%s]`, i, fmt.Sprintf(filter, i, "unknown", long))
				c.Next(t)
			}
			charged = held(t, r, "filters") - charged
			relaytest.Eventually(t, "no more is in memory than is charged", func() bool {
				return float64(heap()) < float64(before)+charged*1.2+2*each
			})
		})
	}
}
