package attack

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay/relaytest"
)

// attack is what one address does until it is stopped.
type attack struct {
	name string
	run  func(*arena)
	// next makes the i-th event of it, before the attack as many as there should
	// be; nil: it sends none, or small ones.
	next func(i int) event.Event
}

// prepared is how many events are made before an attack.
const prepared = 100

// attacks are what a relay was once brought down by.
var attacks = []attack{
	{"identities and mentions", (*arena).identities, func(i int) event.Event {
		return event.Event{Kind: 1059, Content: fmt.Sprint(i), Tags: many(4900, "p", "%064x")}
	}},
	{"silent connections", (*arena).silence, nil},
	{"events behind a slow REQ", (*arena).slowREQ, func(i int) event.Event {
		return event.Event{Kind: 20001, Content: strings.Repeat("x", 400_000) + fmt.Sprint(i), Tags: []event.Tag{{"t", fmt.Sprint("w", i%4)}}}
	}},
	{"filters by the megabyte", (*arena).filters, nil},
	{"queries that find nothing", (*arena).queries, nil},
	{"events of 5000 tags", (*arena).events, func(i int) event.Event {
		return event.Event{Kind: 1, Content: fmt.Sprint(i), Tags: many(5000, "t", fmt.Sprint(i, "-%d"))}
	}},
	{"events of the future", (*arena).events, func(i int) event.Event {
		return event.Event{Kind: 1, CreatedAt: time.Now().AddDate(30, 0, 0).Unix(), Content: fmt.Sprint(i), Tags: many(1000, "t", fmt.Sprint(i, "-%d"))}
	}},
	{"unread answers of /geo", (*arena).geo, nil},
	{"COUNTs of 32 filters", (*arena).counts, nil},
	{"reconciliations", (*arena).syncs, nil},
}

// spin sends nothing, and has its process as busy as one that sends.
var spin = attack{"spin", func(a *arena) {
	for a.on() {
	}
}, nil}

type arena struct {
	t    *testing.T
	r    *relaytest.Relay
	stop <-chan struct{}
	made []string // messages
	next func(i int) event.Event
}

// event is the message of the i-th event of the attack.
func (a *arena) event(i int) string {
	if i < len(a.made) {
		return a.made[i]
	}
	return a.sign(a.next(i))
}

const attacker = "203.0.113.7"

// dial connects from the attacker's address; nil: the relay takes no more. What
// it says is not read.
func (a *arena) dial() *relaytest.Client {
	c, _, err := relaytest.TryDial(a.r.URL, "X-Forwarded-For", attacker)
	if err != nil {
		return nil
	}
	a.t.Cleanup(c.Close)
	return c
}

// each calls f for n connections in turn, again and again, until the attack is
// stopped or none is left.
func (a *arena) each(n int, f func(c *relaytest.Client, i int) error) {
	var all []*relaytest.Client
	for range n {
		if c := a.dial(); c != nil {
			all = append(all, c)
			defer c.Close()
		}
	}
	for round := 0; a.on() && len(all) > 0; round++ {
		for i, c := range all {
			if f(c, round*n+i) != nil { // the relay has ended it
				all = append(all[:i:i], all[i+1:]...)
				break
			}
			if !a.on() {
				break
			}
		}
	}
}

func (a *arena) on() bool {
	select {
	case <-a.stop:
		return false
	default:
		return true
	}
}

func (a *arena) sign(e event.Event) string {
	if e.CreatedAt == 0 {
		e.CreatedAt = time.Now().Unix()
	}
	return `["EVENT",` + string(relaytest.NewKey(66).Sign(a.t, e).Raw) + `]`
}

func many(n int, name, format string) (tags []event.Tag) {
	for i := range n {
		tags = append(tags, event.Tag{name, fmt.Sprintf(format, i)})
	}
	return tags
}

func (a *arena) identities() {
	authed := map[*relaytest.Client]bool{}
	wrap := 0
	a.each(8, func(c *relaytest.Client, i int) error {
		if !authed[c] {
			authed[c] = true
			challenge := c.Challenge(a.t)
			for k := range 16 {
				c.Authenticate(a.t, relaytest.NewKey(byte(100+k)), challenge)
			}
			for k := range 64 {
				c.Say(a.t, `["REQ","%d",{"kinds":[1059],"limit":0}]`, k)
			}
		}
		wrap++
		return c.TrySay(a.event(wrap))
	})
}

func (a *arena) silence() {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 9)}}
	var all []net.Conn
	defer func() {
		for _, c := range all {
			c.Close()
		}
	}()
	for a.on() {
		if c, err := d.Dial("tcp", a.r.Addr); err == nil {
			all = append(all, c)
		}
		if len(all) >= 800 {
			all[0].Close()
			all = all[1:]
		}
	}
}

func (a *arena) slowREQ() {
	a.each(4, func(c *relaytest.Client, i int) error {
		if i < 4 {
			for k := range 20 {
				if err := c.TrySay(fmt.Sprintf(`["REQ","%d",{"kinds":[1],"limit":5000},{"kinds":[20001],"#t":["w%d"]}]`, k, i)); err != nil {
					return err
				}
			}
		}
		return c.TrySay(a.event(i))
	})
}

func (a *arena) filters() {
	value := strings.Repeat("x", 400_000)
	a.each(15, func(c *relaytest.Client, i int) error {
		return c.TrySay(fmt.Sprintf(`["REQ","%d",{"#t":["%s%d"],"limit":0}]`, i, value, i))
	})
}

func (a *arena) queries() {
	values := `"t0"`
	for i := 1; i < 50; i++ {
		values += fmt.Sprintf(`,"t%d"`, i)
	}
	var b strings.Builder
	for i := range 32 {
		fmt.Fprintf(&b, `,{"kinds":[%d],"#t":[%s]}`, 60_001+i, values)
	}
	a.each(8, func(c *relaytest.Client, i int) error {
		return c.TrySay(fmt.Sprintf(`["REQ","%d"%s]`, i%4, b.String()))
	})
}

func (a *arena) events() {
	a.each(1, func(c *relaytest.Client, i int) error { return c.TrySay(a.event(i)) })
}

func (a *arena) geo() {
	if c := a.dial(); c != nil {
		for i := range 9 {
			c.Say(a.t, "%s", a.sign(event.Event{Kind: 1, Content: fmt.Sprint(i, strings.Repeat("x", 250_000)), Tags: []event.Tag{{"g", "u33db"}}}))
		}
	}
	for range 80 {
		if c, err := net.Dial("tcp", a.r.Addr); err == nil && a.on() {
			defer c.Close()
			fmt.Fprintf(c, "GET /geo/events?bbox=13,52,14,53&limit=500 HTTP/1.1\r\nHost: relay\r\nX-Forwarded-For: %s\r\n\r\n", attacker)
		}
	}
	<-a.stop
}

func (a *arena) counts() {
	var b strings.Builder
	for i := range 32 {
		fmt.Fprintf(&b, `,{"since":%d,"kinds":[1,%d]}`, i, 2+i)
	}
	a.each(4, func(c *relaytest.Client, i int) error {
		return c.TrySay(fmt.Sprintf(`["COUNT","%d"%s]`, i, b.String()))
	})
}

func (a *arena) syncs() {
	a.each(9, func(c *relaytest.Client, i int) error {
		return c.TrySay(fmt.Sprintf(`["NEG-OPEN","%d",{},"61000001%032x"]`, i%64, i))
	})
}
