package khatru

import (
	"context"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
)

// typical is a reply as clients write them.
func typical() *event.Event {
	hex64 := strings.Repeat("ab", 32)
	return &event.Event{
		Kind: 1, Content: strings.Repeat("hello ", 40),
		Tags: []event.Tag{{"e", hex64, "wss://relay.example", "root"}, {"e", hex64, "", "reply"}, {"p", hex64}, {"p", hex64}},
	}
}

func BenchmarkEvent(b *testing.B) {
	never := func(context.Context, *nostr.Event) (bool, string) { return false, "" }
	for name, hooks := range map[string]func(*khatru.Relay){
		"no hooks": func(*khatru.Relay) {},
		"a hook":   func(rl *khatru.Relay) { rl.RejectEvent = append(rl.RejectEvent, never) },
		"policies": func(rl *khatru.Relay) {
			rl.RejectEvent = append(rl.RejectEvent, policies.RejectEventsWithBase64Media, policies.PreventLargeTags(100), policies.RestrictToSpecifiedKinds(true, 1))
		},
	} {
		b.Run(name, func(b *testing.B) {
			d, c := benchDoor(b, hooks)
			e := typical()
			b.ReportAllocs()
			for b.Loop() {
				d.Event(b.Context(), c, e)
			}
		})
	}
}

func BenchmarkFilter(b *testing.B) {
	for name, hooks := range map[string]func(*khatru.Relay){
		"no hooks": func(*khatru.Relay) {},
		"a hook":   func(rl *khatru.Relay) { rl.RejectFilter = append(rl.RejectFilter, policies.NoComplexFilters) },
		"rewritten": func(rl *khatru.Relay) {
			rl.OverwriteFilter = append(rl.OverwriteFilter, policies.RemoveSearchQueries)
		},
	} {
		b.Run(name, func(b *testing.B) {
			d, c := benchDoor(b, hooks)
			f, err := event.ParseFilter([]byte(`{"kinds":[1,6,7],"#e":["` + strings.Repeat("ab", 32) + `"],"limit":100}`))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				d.Filter(b.Context(), c, d.Rewrite(b.Context(), c, f))
			}
		})
	}
}

func BenchmarkLive(b *testing.B) {
	for name, hooks := range map[string]func(*khatru.Relay){
		"no hooks": func(*khatru.Relay) {},
		"a hook": func(rl *khatru.Relay) {
			rl.PreventBroadcast = append(rl.PreventBroadcast, func(ws *khatru.WebSocket, _ *nostr.Event) bool { return ws.Request == nil })
		},
	} {
		b.Run(name, func(b *testing.B) {
			d, c := benchDoor(b, hooks)
			e := typical()
			b.ReportAllocs()
			for b.Loop() {
				d.Live(c, e)
			}
		})
	}
}

// BenchmarkMint is what the first hook costs that looks at its connection.
func BenchmarkMint(b *testing.B) {
	m := newMint()
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := m.make(b.Context(), r, func([]byte) {}); err != nil {
			b.Fatal(err)
		}
	}
}

func benchDoor(t testing.TB, hooks func(*khatru.Relay)) (*Door, *fakeClient) {
	t.Helper()
	d := open(t, hooks)
	c := &fakeClient{id: 1, ip: "127.0.0.1"}
	connect(t, d, c)
	return d, c
}

func TestADoorWithoutHooksConvertsNothing(t *testing.T) {
	d, c := benchDoor(t, func(*khatru.Relay) {})
	e, f := typical(), &event.Filter{Kinds: []uint16{1}}
	n := testing.AllocsPerRun(100, func() {
		d.Event(t.Context(), c, e)
		d.Filter(t.Context(), c, d.Rewrite(t.Context(), c, f))
		d.Count(t.Context(), c, f)
		d.Live(c, e)
		d.Saved(c, e)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestLiveConvertsOnceForAllSubscribers(t *testing.T) {
	var seen []*nostr.Event
	d := open(t, func(rl *khatru.Relay) {
		rl.PreventBroadcast = append(rl.PreventBroadcast, func(_ *khatru.WebSocket, e *nostr.Event) bool {
			seen = append(seen, e)
			return false
		})
	})
	e := typical()
	for i := range uint64(5) {
		c := &fakeClient{id: i, ip: "127.0.0.1"}
		connect(t, d, c)
		d.Live(c, e)
	}
	for _, s := range seen {
		if s != seen[0] || s.Sig != hex.EncodeToString(e.Sig[:]) {
			t.Errorf("%p, %p", s, seen[0])
		}
	}
}
