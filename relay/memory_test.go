package relay_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
)

// The table of memory in docs/operating.md holds while attackers fill every row
// of it at once, and none of them has more than its share of any.
func TestMemoryHoldsWhileEveryRowIsFull(t *testing.T) {
	const (
		filters, outbox, ring = 4 << 20, 4 << 20, 1 << 20
		syncs, handshakes     = 40_000, 40
		attackers, counts     = 6, 8
		inbox, tickets        = 8 << 20, 4 << 20
		fanout                = 16 << 20
		bound                 = filters + outbox + ring + syncs*41 + (handshakes+200)*12_000 + inbox + tickets + fanout
	)
	st := stores["memory"](t)
	fill(t, st, 8000)
	stuck := &stuckFanout{make(chan struct{}), 20003}
	open := sync.OnceFunc(func() { close(stuck.gate) })
	lobby := &lobby{make(chan struct{})}
	leave := sync.OnceFunc(func() { close(lobby.gate) })
	links := append(builtin.Defaults(policy.Env{}), policy.Named{Name: "stuck", Policy: stuck}, policy.Named{Name: "lobby", Policy: lobby})
	r := relaytest.Start(t, relaytest.Options{Store: st, Chain: policy.NewChain(nil, links...), Config: func(c *relay.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		l := &c.Limits
		l.CountsPerIP, l.InboxTotalMiB, l.TicketBytes = counts, inbox>>20, tickets
		l.FilterBytes, l.FiltersTotalMiB = 1<<20, filters>>20
		l.OutboxBytes, l.OutboxTotalMiB = 512<<10, outbox>>20
		l.Handshakes = handshakes + 200 // those of the questions about places are some
		c.Sync.Events, c.Sync.TotalEvents = syncs/4, syncs
		overHTTP(c)
		c.Geo.Replay, c.Geo.ReplayBytes = 15*time.Minute, ring
	}})
	t.Cleanup(open)
	t.Cleanup(leave)
	w := r.Dial(t)
	for i := range 9 {
		w.Accepted(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: int64(1000 + i), Content: strings.Repeat("x", 250_000), Tags: tags([]string{"g", "u33db"})}))
	}
	before := heap()
	address := func(i int) string { return fmt.Sprintf("203.0.113.%d", i+1) }
	for i := range attackers {
		c := dialAs(t, r, address(i))
		for j := range 3 * counts {
			c.Say(t, `["COUNT","%d",{"since":1,"kinds":[1]},{"since":2,"kinds":[1,2]}]`, j)
		}
	}
	for i := range attackers {
		fillFilters(t, dialAs(t, r, address(i)), dialAs(t, r, address(i)))
		c := dialAs(t, r, address(i))
		for j := range 4 {
			c.Say(t, `["NEG-OPEN","%d",{},"%s"]`, j, asksOn)
		}
		askPlaces(t, r, address(i))
		for j := range 3 {
			dialRawAs(t, r, address(i)).say(t, fmt.Sprintf(`["REQ","x",{"kinds":[20002],"#t":["%d"]}]`, 3*i+j))
		}
	}
	relaytest.Eventually(t, "no more questions about places are taken", func() bool {
		return refused(t, r, "geo", "address")+refused(t, r, "geo", "all") > 0
	})
	leave()
	for range 2 * (handshakes + 200) {
		dialFrom(t, "127.0.0.9", r.Addr)
	}
	now := time.Now().Unix()
	for i := range 60 {
		w.Accepted(t, alice.Sign(t, event.Event{Kind: 20000, CreatedAt: now, Content: strings.Repeat("x", 40_000) + fmt.Sprint(i), Tags: tags([]string{"g", "u33db"})}))
	}
	content := strings.Repeat("x", 100_000)
	for i := 0; i < 3000 && refused(t, r, "outbox", "all")+refused(t, r, "outbox", "address") < 3; i++ {
		w.Accepted(t, alice.Sign(t, event.Event{Kind: 20002, CreatedAt: now, Content: content + fmt.Sprint(i), Tags: tags([]string{"t", fmt.Sprint(i % (3 * attackers))})}))
	}
	for i := range 4 * attackers { // from here on there is no room for long messages
		dialRawAs(t, r, address(i/4)).half(t, 900_000)
	}
	relaytest.Eventually(t, "there is no room", func() bool {
		return refused(t, r, "inbox", "all") > 0 && refused(t, r, "inbox", "address") > 0
	})
	fillFanout(t, r, address, attackers)
	for _, of := range []string{"filters", "syncs", "geo", "outbox", "counts", "inbox"} {
		for i := range attackers {
			if held, share := relay.HeldBy(r.Server, address(i), of); held > share+200_000 {
				t.Errorf("%s: one address holds %d, its share is %d", of, held, share)
			}
		}
		t.Logf("%s: %.0f held, refused %v for the address, %v for all", of, held(t, r, of), refused(t, r, of, "address"), refused(t, r, of, "all"))
	}
	if refused(t, r, "filters", "all")+refused(t, r, "filters", "address") == 0 || refused(t, r, "syncs", "all")+refused(t, r, "syncs", "address") == 0 ||
		refused(t, r, "geo", "all")+refused(t, r, "geo", "address") == 0 || refused(t, r, "inbox", "all")+refused(t, r, "inbox", "address") == 0 || r.Metric(t, "moa_connections_refused_total", "reason", "handshakes") == 0 {
		t.Error("a row was not filled")
	}
	most := int64(bound) + int64(held(t, r, "geo")) // as much as is not out yet
	took := int64(heap()) - int64(before)
	t.Logf("%d KB taken, the rows allow %d KB", took>>10, most>>10)
	if took > most*3/2 {
		t.Errorf("%d KB taken, the rows allow %d KB", took>>10, most>>10)
	}
	open()
	good := dialAs(t, r, honest)
	e := bob.Note(t, "all the same")
	good.Accepted(t, e)
	if n := good.Count(t, `{"ids":["`+e.ID.String()+`"]}`); n != 1 && refused(t, r, "filters", "all") == 0 {
		t.Errorf("counted %d", n)
	}
}

// lobby lets no question about places in before its gate is open: they are there at once,
// however few processors there are.
type lobby struct{ gate chan struct{} }

func (l *lobby) Connect(_ context.Context, _ policy.Client, r *http.Request) policy.Verdict {
	if strings.HasPrefix(r.URL.Path, "/geo/") {
		<-l.gate
	}
	return policy.Verdict{}
}

func (*lobby) Disconnect(policy.Client) {}

func (*lobby) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

// askPlaces asks ten times, and reads no answer.
func askPlaces(t *testing.T, r *relaytest.Relay, address string) {
	for range 10 {
		c := dialFrom(t, "127.0.0.1", r.Addr)
		c.(*net.TCPConn).SetReadBuffer(4096)
		fmt.Fprintf(c, "GET /geo/events?bbox=13,52,14,53&limit=500 HTTP/1.1\r\nHost: relay\r\nX-Forwarded-For: %s\r\n\r\n", address)
	}
}

// fillFanout has events sent that stop the fan-out until nothing more is taken.
func fillFanout(t *testing.T, r *relaytest.Relay, address func(int) string, attackers int) {
	dialAs(t, r, honest).Stored(t, "stuck", `{"kinds":[20003],"limit":0}`)
	for i := range attackers {
		c := dialAs(t, r, address(i))
		go func() {
			for j := range 100 {
				e := carol.Sign(t, event.Event{Kind: 20003, CreatedAt: time.Now().Unix(), Content: fmt.Sprint(i, " ", j, strings.Repeat("x", 40_000))})
				if c.TrySay(`["EVENT",`+string(e.Raw)+`]`) != nil {
					return
				}
			}
		}()
	}
	relayed := func() float64 { return r.Metric(t, "moa_events_total", "fate", "relayed") }
	relaytest.Eventually(t, "the writer waits for the fan-out", func() bool {
		return r.Metric(t, "moa_tickets_bytes") > 500_000 && stays(relayed(), relayed)
	})
}

// fillFilters opens filters until no more are taken.
func fillFilters(t *testing.T, clients ...*relaytest.Client) {
	value := strings.Repeat("x", 100_000)
	for _, c := range clients {
		for i := range 12 {
			c.Say(t, `["REQ","%d",{"#t":["%s%d"],"limit":0}]`, i, value, i)
			c.Next(t)
		}
	}
}
