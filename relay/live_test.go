package relay_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// Whatever moment a REQ arrives at, every event comes exactly once: stored, or
// live (NIP01.34, 35).
func TestStoredAndLiveMeet(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		const total, readers = 500 / scale, 100
		events := make([]*event.Event, total)
		var sign sync.WaitGroup
		for part := range 2 {
			sign.Go(func() {
				for i := part; i < total; i += 2 {
					events[i] = alice.Sign(t, event.Event{Kind: 1, CreatedAt: int64(1000 + i), Content: fmt.Sprint(i)})
				}
			})
		}
		sign.Wait()
		var all sync.WaitGroup
		var stop atomic.Bool
		all.Go(func() {
			w := r.Dial(t)
			for i, e := range events {
				w.Publish(t, e)
				if i%40 == 0 {
					time.Sleep(time.Millisecond) // let the readers come in between
				}
			}
			for _, e := range events {
				w.HearOK(t, e.ID.String())
			}
			stop.Store(true)
		})
		for n := range readers {
			all.Go(func() { reader(t, r, n, total, &stop) })
		}
		all.Wait()
	})
}

// reader subscribes again and again under changing ids until all is written,
// and then hears its last subscription out.
func reader(t *testing.T, r *relaytest.Relay, n, total int, stop *atomic.Bool) {
	c, _, err := relaytest.TryDial(r.URL)
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	for round := 0; ; round++ {
		last := stop.Load()
		id := fmt.Sprintf("%d-%d", n, round%3)
		c.TrySay(fmt.Sprintf(`["REQ","%s",{"kinds":[1],"limit":5000}]`, id))
		if !hearOut(t, c, id, total, 20+(n*37+round*101)%(total-20), last) {
			return
		}
		if last {
			return
		}
		c.TrySay(`["CLOSE","` + id + `"]`)
	}
}

// hearOut hears events of one subscription until there were enough of them, or,
// if all, every one.
func hearOut(t *testing.T, c *relaytest.Client, id string, total, enough int, all bool) bool {
	seen := make([]bool, total)
	count, eose := 0, false
	newest := -1 // of the live ones
	for !eose || all && count < total || !all && count < enough {
		m, err := c.TryNext(relaytest.Patience)
		if err != nil {
			t.Errorf("%s: after %d events: %v", id, count, err)
			return false
		}
		rep, err := wire.ParseReply([]byte(m))
		if err != nil || rep.Verb == wire.Closed {
			t.Errorf("%s: heard %s", id, m)
			return false
		}
		if rep.SubID != id {
			continue // of the subscription before
		}
		if rep.Verb == wire.EOSE {
			if eose {
				t.Errorf("NIP01.35: two EOSE")
			}
			eose = true
			continue
		}
		var e struct{ Content string }
		var i int
		if json.Unmarshal(rep.Event, &e) != nil {
			t.Errorf("%s: heard %s", id, m)
		}
		fmt.Sscan(e.Content, &i)
		if seen[i] {
			t.Errorf("%s: event %d came twice", id, i)
			return false
		}
		if eose && i < newest {
			t.Errorf("%s: live event %d behind %d", id, i, newest)
		}
		if eose {
			newest = i
		}
		seen[i] = true
		count++
	}
	return true
}

// NIP01.13, clients 9: versions that follow each other at once are all heard.
func TestEveryAcceptedVersionIsHeardInOrder(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, w := r.Dial(t), r.Dial(t)
		c.Stored(t, "x", `{"kinds":[0]}`)
		var all []*event.Event
		for i := range 100 {
			e := alice.Sign(t, event.Event{Kind: 0, CreatedAt: int64(1000 + i)})
			all = append(all, e)
			w.Publish(t, e)
		}
		for _, e := range all {
			if got := c.Event(t, "x"); got.ID != e.ID {
				t.Fatalf("want the version of %d, heard that of %d", e.CreatedAt, got.CreatedAt)
			}
		}
		c.Quiet(t)
	})
}

func TestOKsLeaveInTheOrderOfTheEVENTs(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		var ids []string
		var oks []bool
		for i := range 300 {
			e := alice.Note(t, fmt.Sprint(i))
			raw := string(e.Raw)
			ok := true
			switch i % 6 {
			case 1: // forged
				raw = strings.Replace(raw, `"content":"`, `"content":"x`, 1)
				ok = false
			case 2: // refused by a rule
				e = alice.Auth(t, "x", fmt.Sprint(i))
				raw, ok = string(e.Raw), false
			case 3: // duplicate
				raw = raw[:0] + string(alice.Note(t, "0").Raw)
				var m map[string]any
				json.Unmarshal([]byte(raw), &m)
				ids, oks = append(ids, m["id"].(string)), append(oks, true)
				c.Say(t, "%s", `["EVENT",`+raw+`]`)
				continue
			case 4: // ephemeral
				e = alice.Sign(t, event.Event{Kind: 20001, Content: fmt.Sprint(i)})
				raw = string(e.Raw)
			}
			ids, oks = append(ids, e.ID.String()), append(oks, ok)
			c.Say(t, "%s", `["EVENT",`+raw+`]`)
		}
		for i, id := range ids {
			if m := c.HearOK(t, id); m.OK != oks[i] {
				t.Errorf("%d: %v %q", i, m.OK, m.Text)
			}
		}
	})
}

// A reader that stops reading is disconnected and counted, and no other
// waits for it.
func TestASlowReaderHarmsOnlyItself(t *testing.T) {
	const bound = 256 << 10
	r := start(t, func(c *relay.Config) { c.Limits.OutboxBytes = bound })
	w, good := r.Dial(t), r.Dial(t)
	good.Stored(t, "all", `{}`)
	slow := dialRaw(t, r)
	slow.say(t, `["REQ","all",{}]`)
	relaytest.Eventually(t, "both subscribe", func() bool { return r.Metric(t, "moa_subscriptions") == 2 })
	text := strings.Repeat("x", 20_000)
	var worst time.Duration
	dropped := func() bool {
		return r.Metric(t, "moa_connections_dropped_total", "reason", "slow_consumer") == 1
	}
	for i := 0; !dropped(); i++ {
		if i > 3000 {
			t.Fatal("60 MB were sent to a reader that does not read")
		}
		e := alice.Note(t, text+fmt.Sprint(i))
		begun := time.Now()
		w.Accepted(t, e)
		if got := good.Event(t, "all"); got.ID != e.ID {
			t.Fatal("another event")
		}
		worst = max(worst, time.Since(begun))
	}
	testwait.Speed(t, "an event of another client", worst, time.Second)
	relaytest.Eventually(t, "its subscription is gone", func() bool { return r.Metric(t, "moa_subscriptions") == 1 })
}

// A slow reader of stored events costs a place in the scan, not the connection.
func TestASlowReaderOfStoredEventsIsWaitedFor(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		w := r.Dial(t)
		text := strings.Repeat("x", 50_000)
		const total = 260 // 13 MB, far more than the outbox and the sockets hold
		for i := range total {
			w.Publish(t, alice.Sign(t, event.Event{Kind: 1, CreatedAt: int64(1000 + i), Content: text}))
		}
		for range total {
			if ok := w.Hear(t, wire.OK); !ok.OK {
				t.Fatal(ok.Text)
			}
		}
		slow := dialRaw(t, r)
		slow.say(t, `["REQ","all",{}]`)
		relaytest.Eventually(t, "its first pages", func() bool { return r.Metric(t, "moa_served_events_total") > 20 })
		served := 0.0
		relaytest.Eventually(t, "it is waited for", func() bool {
			before := served
			served = r.Metric(t, "moa_served_events_total")
			time.Sleep(20 * time.Millisecond)
			return served == before
		})
		if served >= total {
			t.Errorf("all was queued for a client that does not read")
		}
		for range 20 { // meanwhile others are served
			if got := w.Query(t, `{"limit":3}`); len(got) != 3 {
				t.Fatal(list(got))
			}
		}
		events := 0
		for m := range slow.messages(t) {
			if strings.HasPrefix(m, `["EOSE"`) {
				break
			}
			events++
		}
		if events != total {
			t.Errorf("%d of %d events", events, total)
		}
	})
}
