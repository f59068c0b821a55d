package relay_test

import (
	"bytes"
	"runtime/pprof"
	"testing"
	"time"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/relay/relaytest"
)

// A connection that only listens has no goroutine, before it has said anything
// and after; what it is sent comes, and it is heard again.
func TestIdleConnectionsSleep(t *testing.T) {
	r := start(t, nil)
	asleep := func(what string) {
		t.Helper()
		relaytest.Eventually(t, what, func() bool { return goroutines(t, "(*session).serve") == 0 })
	}
	var phones []*relaytest.Client
	for range 50 {
		phones = append(phones, r.Dial(t))
	}
	asleep("they have connected, and have no goroutine")
	for _, p := range phones {
		p.Stored(t, "notes", `{"kinds":[1]}`)
	}
	asleep("they listen, and have no goroutine")
	writer := r.Dial(t)
	note := alice.Note(t, "good morning")
	writer.Accepted(t, note)
	for _, p := range phones {
		sameIDs(t, "live", []*event.Event{p.Event(t, "notes")}, note)
	}
	writer.Close()
	asleep("they have heard, and have no goroutine")
	for _, p := range phones {
		sameIDs(t, "stored", p.Stored(t, "again", `{"kinds":[1]}`), note)
	}
	phones[0].Close()
	relaytest.Eventually(t, "one has gone", func() bool { return r.Metric(t, "moa_connections") == 49 })
}

// A session that sleeps when the relay goes down is told so like all others, and
// the shutdown does not wait for it.
func TestSleepersAreToldOfTheShutdown(t *testing.T) {
	r := start(t, nil)
	var phones []*relaytest.Client
	for range 50 {
		phones = append(phones, r.Dial(t))
	}
	relaytest.Eventually(t, "all sleep", func() bool {
		return r.Metric(t, "moa_connections") == 50 && goroutines(t, "(*session).serve") == 0
	})
	begun := time.Now()
	if err := r.Stop(); err != nil {
		t.Error(err)
	}
	testwait.Speed(t, "the shutdown", time.Since(begun), 5*time.Second)
	for n, p := range phones {
		if _, err := p.TryNext(relaytest.Patience); websocket.CloseStatus(err) != 1012 {
			t.Errorf("client %d was told %v", n, err)
		}
	}
}

// goroutines counts those in which a function is under way.
func goroutines(t *testing.T, function string) int {
	var b bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&b, 2); err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b.Bytes(), []byte(function+"("))
}
