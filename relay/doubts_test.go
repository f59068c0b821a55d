package relay_test

import (
	"fmt"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
)

// When a commit fails in its middle, OK true still means stored and passed on,
// and what a client sends again comes to live subscriptions once, whether the
// failed commit had stored it or not.
func TestWhatAFailedCommitHasStoredIsServedLive(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			st := &failingStore{Store: open(t)}
			r := relaytest.Start(t, relaytest.Options{Store: st})
			w, live := r.Dial(t), r.Dial(t)
			live.Stored(t, "live", `{"kinds":[1]}`)
			const n = 60
			all := map[string]*event.Event{}
			st.fails.Store(true)
			for i := range n {
				e := alice.Note(t, fmt.Sprint(i))
				all[e.ID.String()] = e
				w.Publish(t, e)
			}
			var again []*event.Event
			for range n {
				ok := w.Hear(t, wire.OK)
				switch {
				case ok.OK:
				case strings.HasPrefix(ok.Text, "error: "):
					again = append(again, all[ok.ID])
				default:
					t.Errorf("OK false %q", ok.Text)
				}
			}
			if len(again) == 0 {
				t.Fatal("nothing has failed")
			}
			heard := map[string]int{}
			take := func(want int, what string) {
				t.Helper()
				for _, m := range live.UpToNow(t) {
					if rep, err := wire.ParseReply([]byte(m)); err == nil && rep.Verb == wire.Event {
						heard[event.PeekID(rep.Event)]++
					}
				}
				if len(heard) != want {
					t.Errorf("%s: %d events came live, want %d", what, len(heard), want)
				}
			}
			take(n-len(again), "what got OK true")
			late := r.Dial(t)
			stored := len(late.Stored(t, "live", `{"kinds":[1]}`))
			if stored <= n-len(again) {
				t.Fatalf("%d are stored: none of those without an OK", stored)
			}
			st.fails.Store(false)
			for _, e := range again {
				w.Accepted(t, e)
				if ok := w.Send(t, e); !ok.OK || ok.Reason() != "duplicate" {
					t.Errorf("once more: %v %q", ok.OK, ok.Text)
				}
			}
			take(n, "what was sent again")
			for id, times := range heard {
				if times != 1 {
					t.Errorf("%s came %d times", all[id].Content, times)
				}
			}
			if got := len(w.Query(t, `{"kinds":[1]}`)); got != n {
				t.Errorf("%d are stored", got)
			}
			// A client that had found them stored does not hear of them again.
			if got := len(late.UpToNow(t)); got != n-stored {
				t.Errorf("%d came live behind %d stored ones", got, stored)
			}
		})
	}
}
