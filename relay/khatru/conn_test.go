package khatru

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
)

func TestAHookThatNeverLooksCostsNoWebSocket(t *testing.T) {
	d := open(t, func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, func(context.Context, *nostr.Event) (bool, string) { return false, "" })
	})
	c := &fakeClient{id: 1, ip: "127.0.0.1"}
	connect(t, d, c)
	d.Event(t.Context(), c, &event.Event{Kind: 1})
	if d.conn(c).ws != nil {
		t.Error("it was made")
	}
}

func TestOneConnectionIsOneWebSocket(t *testing.T) {
	var mu sync.Mutex
	seen := map[*khatru.WebSocket]int{}
	see := func(ctx context.Context) {
		mu.Lock()
		defer mu.Unlock()
		seen[khatru.GetConnection(ctx)]++
	}
	d := open(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, see)
		rl.OnDisconnect = append(rl.OnDisconnect, see)
		rl.RejectEvent = append(rl.RejectEvent, func(ctx context.Context, _ *nostr.Event) (bool, string) { see(ctx); return false, "" })
		rl.OnEventSaved = append(rl.OnEventSaved, func(ctx context.Context, _ *nostr.Event) { see(ctx) })
		rl.PreventBroadcast = append(rl.PreventBroadcast, func(ws *khatru.WebSocket, _ *nostr.Event) bool {
			mu.Lock()
			defer mu.Unlock()
			seen[ws]++
			return false
		})
	})
	c, e := &fakeClient{id: 1, ip: "127.0.0.1"}, &event.Event{Kind: 1}
	connect(t, d, c)
	d.Event(t.Context(), c, e)
	c.prove(event.PubKey{1})
	d.Authenticated(c)
	d.Saved(c, e)
	d.Live(c, e)
	d.Disconnect(c)
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 1 {
		t.Errorf("%v", seen)
	}
	for ws, n := range seen {
		if n != 5 || ws == nil || ws.AuthedPublicKey[:2] != "01" {
			t.Errorf("%d times %+v", n, ws)
		}
	}
}

// Its events may still be on their way.
func TestAClientThatHasGoneIsNotNil(t *testing.T) {
	asked := 0
	gone := make(chan struct{})
	d := open(t, func(rl *khatru.Relay) {
		rl.PreventBroadcast = append(rl.PreventBroadcast, func(ws *khatru.WebSocket, _ *nostr.Event) bool {
			asked++
			return ws.AuthedPublicKey == "" || khatru.GetIPFromRequest(ws.Request) != "203.0.113.9"
		})
		rl.OnEventSaved = append(rl.OnEventSaved, func(ctx context.Context, _ *nostr.Event) {
			<-gone
			if ctx.Err() != nil || khatru.GetConnection(ctx).Request.Header.Get("X") != "" {
				t.Error(ctx.Err())
			}
		})
	})
	c, e := &fakeClient{id: 1, ip: "203.0.113.9"}, &event.Event{Kind: 1}
	connect(t, d, c)
	c.prove(event.PubKey{1})
	d.Authenticated(c)
	d.Saved(c, e)
	d.Disconnect(c)
	d.Saved(c, e)
	close(gone)
	if !d.Live(c, e) || asked != 1 {
		t.Error("it was not asked with its address and key")
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

// imported is a client without a connection.
type imported struct{}

func (imported) ID() uint64             { return 0 }
func (imported) IP() netip.Addr         { return netip.Addr{} }
func (imported) Host() string           { return "" }
func (imported) Path() string           { return "" }
func (imported) Authed() []event.PubKey { return nil }

func TestAnImportHasNoConnection(t *testing.T) {
	d := open(t, func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, func(ctx context.Context, _ *nostr.Event) (bool, string) {
			return khatru.GetConnection(ctx) != nil || khatru.GetIP(ctx) != "" || khatru.GetAuthed(ctx) != "", "it has"
		})
	})
	for _, c := range []policy.Client{nil, imported{}} {
		if v := d.Event(t.Context(), c, &event.Event{Kind: 1}); v.Action != policy.Accept {
			t.Error(c, v)
		}
	}
}

func TestTheMintLeavesNoGoroutine(t *testing.T) {
	m := newMint()
	r := httptest.NewRequest(http.MethodGet, "/", http.NoBody)
	before := runtime.NumGoroutine()
	seen := map[*khatru.WebSocket]bool{}
	for range 200 {
		ws, err := m.make(t.Context(), r, func([]byte) {})
		if err != nil {
			t.Fatal(err)
		}
		seen[ws] = true
	}
	if len(seen) != 200 {
		t.Errorf("%d of 200 are new", len(seen))
	}
	testwait.Eventually(t, "no goroutine stays", func() bool { return runtime.NumGoroutine() <= before })
}

func TestManyGoroutinesWriteWholeMessages(t *testing.T) {
	var mu sync.Mutex
	var got []string
	m := newMint()
	ws, err := m.make(t.Context(), httptest.NewRequest(http.MethodGet, "/", http.NoBody), func(message []byte) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, string(message))
	})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("é", 3000)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				ws.WriteJSON(nostr.NoticeEnvelope(long))
				ws.WriteMessage(9, []byte("ping"))
			}
		})
	}
	wg.Wait()
	if len(got) != 160 {
		t.Fatalf("%d messages", len(got))
	}
	for _, m := range got {
		if m != `["NOTICE","`+long+`"]` {
			t.Fatalf("%.100q", m)
		}
	}
}
