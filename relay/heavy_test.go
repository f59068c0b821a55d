package relay_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
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
	gate  chan struct{}
	stuck atomic.Int32 // scans that wait
}

func (s *stuckStore) Scan(q store.Query) store.Scan {
	if slow := q.Filters[0].Kinds; len(slow) == 1 && slow[0] == 7777 {
		return stuckScan{s.Store.Scan(q), s.gate, &s.stuck}
	}
	return s.Store.Scan(q)
}

type stuckScan struct {
	store.Scan
	gate  chan struct{}
	stuck *atomic.Int32
}

func (s stuckScan) Next(ctx context.Context, p store.Page, f func(*store.Record) error) (store.Progress, error) {
	s.stuck.Add(1)
	<-s.gate
	return s.Scan.Next(ctx, p, f)
}

// Work for one address, on however many connections, takes half of the
// processors at most: a client from elsewhere waits for none of it.
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

// Small messages, and frames that are none, are work, too, when they come in a row:
// of an address whose share of the processors is taken they wait.
func TestSmallMessagesInARowAreWork(t *testing.T) {
	ping, garbage := []byte{0x89, 0x80, 0, 0, 0, 0}, []byte{0x81, 0x81, 0, 0, 0, 0, 'x'}
	for name, c := range map[string]struct {
		flood []byte
		heard int // answers to all of it
		few   int // of which so many at once
	}{
		"pings":    {bytes.Repeat(ping, 500), 1, 0}, // of several the last is answered
		"messages": {bytes.Repeat(garbage, 100), 100, fewInARow + 1},
	} {
		t.Run(name, func(t *testing.T) {
			st := &stuckStore{Store: stores["memory"](t), gate: make(chan struct{})}
			r := fromAfarOn(t, st, func(*relay.Config) {})
			open := sync.OnceFunc(func() { close(st.gate) })
			t.Cleanup(open)
			r.Dial(t).Accepted(t, alice.Note(t, "so that there is something to read"))
			slots := max(1, runtime.GOMAXPROCS(0)/2)
			for range slots {
				dialAs(t, r, attacker).Say(t, `["REQ","slow",{"kinds":[7777]}]`)
			}
			relaytest.Eventually(t, "its slots are taken", func() bool { return st.stuck.Load() == int32(slots) })
			flood := dialRawAs(t, r, attacker)
			if _, err := flood.Write(c.flood); err != nil {
				t.Fatal(err)
			}
			flood.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
			early, _ := io.ReadAll(flood.in)
			if n := wholeFrames(early); n > c.few {
				t.Errorf("%d answers, while other work is done for the address", n)
			}
			open()
			late := early
			for wholeFrames(late) < c.heard {
				flood.SetReadDeadline(time.Now().Add(relaytest.Patience))
				b, err := flood.in.ReadByte()
				if err != nil {
					t.Fatalf("%d answers, then %v", wholeFrames(late), err)
				}
				late = append(late, b)
			}
		})
	}
}

// An address that says very much waits, on whichever connection, and no other does.
func TestAnAddressThatSaysMuchWaits(t *testing.T) {
	r := fromAfar(t, func(*relay.Config) {})
	const least = 150 * time.Millisecond
	slots := max(1, runtime.GOMAXPROCS(0)/2)
	many := bytes.Repeat(append([]byte{0x81, 0x8d, 0, 0, 0, 0}, `["CLOSE","x"]`...), 3000*slots)
	begun := time.Now()
	var both [2]*rawConn
	for i := range both {
		both[i] = dialRawAs(t, r, attacker)
		go func() { // it may be read slowly
			_, _ = both[i].Write(many)
			_, _ = both[i].Write(append([]byte{0x81, 0x8a, 0, 0, 0, 0}, `["COUNT"]x`...))
		}()
	}
	for _, c := range both {
		if _, m, err := c.frame(); err != nil || !strings.HasPrefix(string(m), `["NOTICE"`) {
			t.Fatalf("%s, %v", m, err)
		}
	}
	if took := time.Since(begun); took < least {
		t.Errorf("%d messages were read in %v", 6000*slots, took)
	}
	if r.Metric(t, "moa_paced_total") == 0 {
		t.Error("that it waits is not counted")
	}
	other := dialAs(t, r, honest)
	other.Query(t, `{}`)
}

// wholeFrames counts the frames, which are short.
func wholeFrames(b []byte) (n int) {
	for len(b) >= 2 && len(b) >= 2+int(b[1]) {
		b = b[2+int(b[1]):]
		n++
	}
	return n
}

// fewInARow is how many small messages are none.
const fewInARow = 8

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
	r.Hold()
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

// half begins a text message of n bytes, masked with zeros.
func (c *rawConn) half(t *testing.T, n int) {
	t.Helper()
	head := []byte{0x81, 0x80 | 127, 0, 0, 0, 0, byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n), 0, 0, 0, 0}
	_, _ = c.Write(append(head, strings.Repeat("x", n*9/10)...)) // it may be ended already
}

// Messages that are half received have a total, and one address a share of it:
// beyond that the connection is ended and counted. Short messages have nothing to
// do with it, nor has anybody else.
func TestHalfReceivedMessagesAreBoundedByAddress(t *testing.T) {
	const total = 16 << 20
	r := fromAfar(t, func(c *relay.Config) { c.Limits.InboxTotalMiB = total >> 20 })
	small := dialAs(t, r, attacker)
	before := heap()
	for range 40 {
		dialRawAs(t, r, attacker).half(t, 900_000)
	}
	relaytest.Eventually(t, "most are ended", func() bool {
		return r.Metric(t, "moa_connections_dropped_total", "reason", "inbox") >= 30 && refused(t, r, "inbox", "address") >= 30
	})
	if held, share := relay.HeldBy(r.Server, attacker, "inbox"); held > share || held < share/2 || share > total/4 {
		t.Errorf("the address holds %d, its share is %d", held, share)
	}
	relaytest.Eventually(t, "no more is in memory", func() bool { return heap() <= before+total/2 })
	small.Accepted(t, alice.Note(t, "short messages need no room"))
	dialAs(t, r, honest).Accepted(t, bob.Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix(), Content: strings.Repeat("x", 250_000)}))
	for i := range 40 {
		dialRawAs(t, r, fmt.Sprintf("203.0.113.%d", 100+i)).half(t, 900_000)
	}
	relaytest.Eventually(t, "there is no room for all of them", func() bool { return refused(t, r, "inbox", "all") > 0 })
	if n := held(t, r, "inbox"); n > total {
		t.Errorf("%v bytes are held", n)
	}
}

// haltedStore commits nothing until its gate is closed.
type haltedStore struct {
	store.Store
	gate chan struct{}
}

func (s *haltedStore) Commit(ctx context.Context, now int64, events []*event.Event) ([]store.Result, error) {
	<-s.gate
	return s.Store.Commit(ctx, now, events)
}

// Events that have been read and wait for the writer count as they did
// before: those for which there is no room are refused, and all are answered.
func TestEventsThatWaitForTheLineAreBoundedByAddress(t *testing.T) {
	st := &haltedStore{Store: stores["memory"](t), gate: make(chan struct{})}
	r := fromAfarOn(t, st, func(c *relay.Config) { c.Limits.InboxTotalMiB, c.Limits.TicketBytes = 1, 1<<20 })
	open := sync.OnceFunc(func() { close(st.gate) })
	t.Cleanup(open)
	const size = 100_000 // for which a message takes 256 KiB
	var all []*relaytest.Client
	for i := range 3 {
		c := dialAs(t, r, attacker)
		c.Publish(t, carol.Sign(t, event.Event{Kind: 1, CreatedAt: time.Now().Unix(), Content: strings.Repeat("x", size) + fmt.Sprint(i)}))
		relaytest.Eventually(t, "it waits", func() bool {
			return held(t, r, "inbox") >= float64(min(i+1, 2)*(256<<10+size)) && (i < 2 || refused(t, r, "inbox", "address") == 1)
		})
		all = append(all, c)
	}
	open()
	for i, c := range all {
		if reply := c.Hear(t, wire.OK); reply.OK != (i < 2) || !reply.OK && !strings.HasPrefix(reply.Text, "rate-limited: ") {
			t.Errorf("event %d: %v %s", i, reply.OK, reply.Text)
		}
	}
	relaytest.Eventually(t, "nothing is held", func() bool { return held(t, r, "inbox") == 0 })
}
