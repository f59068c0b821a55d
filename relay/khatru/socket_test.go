package khatru_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"
	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay"
	door "moa/relay/khatru"
	"moa/relay/relaytest"
)

type (
	rejectEvent  = func(context.Context, *nostr.Event) (bool, string)
	rejectFilter = func(context.Context, nostr.Filter) (bool, string)
)

func TestKhatrusEventPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		policy  rejectEvent
		fine    event.Event
		refused event.Event
		text    string
	}{
		"PreventLargeTags": {
			policies.PreventLargeTags(10),
			event.Event{Kind: 1, Tags: []event.Tag{{"t", "short"}, {"title", "longer than ten"}}},
			event.Event{Kind: 1, Tags: []event.Tag{{"t", "longer than ten"}}},
			"blocked: event contains too large tags",
		},
		"PreventTooManyIndexableTags": {
			policies.PreventTooManyIndexableTags(2, []int{3}, nil),
			event.Event{Kind: 3, Tags: []event.Tag{{"p", "a"}, {"p", "b"}, {"p", "c"}}},
			event.Event{Kind: 1, Tags: []event.Tag{{"p", "a"}, {"p", "b"}, {"p", "c"}}},
			"blocked: too many indexable tags",
		},
		"RestrictToSpecifiedKinds": {
			policies.RestrictToSpecifiedKinds(true, 1, 30023),
			event.Event{Kind: 20001},
			event.Event{Kind: 7},
			"blocked: received event kind 7 not allowed",
		},
		"PreventTimestampsInThePast": {
			policies.PreventTimestampsInThePast(time.Hour),
			event.Event{Kind: 1},
			event.Event{Kind: 1, CreatedAt: at(-7200)},
			"blocked: event too old",
		},
		"PreventTimestampsInTheFuture": {
			policies.PreventTimestampsInTheFuture(time.Hour),
			event.Event{Kind: 1},
			event.Event{Kind: 1, CreatedAt: at(7200)},
			"blocked: event too much in the future",
		},
		"RejectEventsWithBase64Media": {
			policies.RejectEventsWithBase64Media,
			event.Event{Kind: 1, Content: "an image"},
			event.Event{Kind: 1, Content: "data:image/png;base64,AA"},
			"blocked: event with base64 media",
		},
		"ValidateKind": {
			policies.ValidateKind,
			event.Event{Kind: 0, Content: `{"name":"alice"}`},
			event.Event{Kind: 0, Content: `{}`, CreatedAt: at(1)},
			"blocked: missing json name in kind 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := withHooks(t, func(rl *khatru.Relay) { rl.RejectEvent = append(rl.RejectEvent, c.policy) })
			client := r.Dial(t)
			client.Accepted(t, alice.Sign(t, c.fine))
			refused := alice.Sign(t, c.refused)
			client.Refused(t, refused, c.text)
			if got := client.Query(t, `{"ids":["`+refused.ID.String()+`"]}`); len(got) != 0 {
				t.Error("the refused event was stored")
			}
		})
	}
}

func TestKhatrusFilterPolicies(t *testing.T) {
	for name, c := range map[string]struct {
		policy       rejectFilter
		fine, closed string
		text         string
	}{
		"NoComplexFilters": {
			policies.NoComplexFilters,
			`{"kinds":[1,2,3,4,5],"#a":["x"],"#b":["x"]}`,
			`{"kinds":[1,2],"#a":["x"],"#b":["x"],"#c":["x"]}`,
			"blocked: too many things to filter for",
		},
		"NoEmptyFilters":  {policies.NoEmptyFilters, `{"kinds":[1]}`, `{"limit":0}`, "blocked: can't handle empty filters"},
		"AntiSyncBots":    {policies.AntiSyncBots, `{"kinds":[1],"authors":["` + alice.Hex() + `"]}`, `{"kinds":[1]}`, "blocked: an author must"},
		"NoSearchQueries": {policies.NoSearchQueries, `{}`, `{"search":"x"}`, "unsupported: "},
	} {
		t.Run(name, func(t *testing.T) {
			client := withHooks(t, func(rl *khatru.Relay) {
				rl.RejectFilter = append(rl.RejectFilter, c.policy)
			}).Dial(t)
			client.Query(t, c.fine)
			client.Closed(t, "a", c.text, `["REQ","a",`+c.closed+`]`)
			reason, text, _ := strings.Cut(c.text, ": ")
			client.Closed(t, "a", reason+": filter 2: "+text, `["REQ","a",`+c.fine+`,`+c.closed+`]`)
			client.Closed(t, "b", c.text, `["COUNT","b",`+c.closed+`]`)
		})
	}
}

func TestSaneDefaultsLimitRates(t *testing.T) {
	r := withHooks(t, policies.ApplySaneDefaults)
	client := r.Dial(t)
	for i := range 10 {
		client.Accepted(t, alice.Note(t, fmt.Sprint(i)))
	}
	client.Refused(t, alice.Note(t, "one more"), "rate-limited: slow down, please")
	client.Refused(t, alice.Note(t, "data:image/png"), "blocked: event with base64 media")
	for range 100 {
		client.Query(t, `{"kinds":[1],"limit":1}`)
	}
	client.Closed(t, "a", "rate-limited: ", `["REQ","a",{"kinds":[1]}]`)
	for range 99 { // and that of client
		c := r.Dial(t)
		c.Close()
	}
	if _, resp, err := relaytest.TryDial(r.URL); err == nil || resp == nil || resp.StatusCode != 429 {
		t.Errorf("connection 101: %v, %v", resp, err)
	}
}

func TestRateLimitersSeeTheTrustedAddress(t *testing.T) {
	hooks := func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, policies.EventIPRateLimiter(1, time.Hour, 1))
	}
	t.Run("behind a trusted proxy", func(t *testing.T) {
		r, _ := serve(t, setup{hooks: hooks, config: func(c *relay.Config) {
			c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}})
		for i, from := range []string{"203.0.113.1", "203.0.113.2", "2001:db8::1"} {
			client := r.Dial(t, "X-Forwarded-For", "8.8.8.8, "+from)
			client.Accepted(t, alice.Note(t, fmt.Sprint(i)))
			client.Refused(t, alice.Note(t, fmt.Sprint(i, "again")), "rate-limited:")
		}
		again := r.Dial(t, "X-Forwarded-For", "9.9.9.9, 203.0.113.1")
		again.Refused(t, alice.Note(t, "from another connection"), "rate-limited:")
	})
	t.Run("nobody is trusted", func(t *testing.T) {
		r := withHooks(t, hooks)
		r.Dial(t, "X-Forwarded-For", "203.0.113.1").Accepted(t, alice.Note(t, "1"))
		r.Dial(t, "X-Forwarded-For", "203.0.113.2").Refused(t, alice.Note(t, "2"), "rate-limited:")
	})
}

func TestAuthThroughHooks(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, khatru.RequestAuth)
		rl.RejectFilter = append(rl.RejectFilter, policies.MustAuth, policies.RejectKind04Snoopers)
		rl.RejectEvent = append(rl.RejectEvent, func(ctx context.Context, e *nostr.Event) (bool, string) {
			return khatru.GetAuthed(ctx) != e.PubKey, "auth-required: only authors"
		})
	})
	client := r.Dial(t)
	challenge := client.Hear(t, wire.Auth).Text
	// Asked for again by the refusals, it is not sent again.
	client.Closed(t, "a", "auth-required: ", `["REQ","a",{"kinds":[1]}]`)
	client.Closed(t, "a", "auth-required: ", `["REQ","a",{"kinds":[1],"limit":0}]`)
	client.Closed(t, "a", "auth-required: ", `["COUNT","a",{"kinds":[1]}]`)
	note := alice.Note(t, "hello")
	client.Refused(t, note, "auth-required: only authors")

	client.Authenticate(t, alice, challenge)
	client.Accepted(t, note)
	client.Stored(t, "mine", `{"kinds":[4],"authors":["`+alice.Hex()+`"]}`)
	client.Closed(t, "his", "restricted: ", `["REQ","his",{"kinds":[4],"authors":["`+bob.Hex()+`"]}]`)
	client.Authenticate(t, bob, challenge) // khatru knows one identity: the last
	client.Stored(t, "his", `{"kinds":[4],"authors":["`+bob.Hex()+`"]}`)
	client.Refused(t, alice.Note(t, "late"), "auth-required:")
}

func TestAHookIsWokenByAuth(t *testing.T) {
	woken := make(chan string, 1)
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, khatru.RequestAuth, func(ctx context.Context) {
			go func() { // as in khatru's documentation
				conn := khatru.GetConnection(ctx)
				select {
				case <-ctx.Done():
					woken <- "gone"
				case <-conn.Authed:
					woken <- conn.AuthedPublicKey
				}
			}()
		})
	})
	client := r.Dial(t)
	client.Authenticate(t, alice, "")
	if got := <-woken; got != alice.Hex() {
		t.Error(got)
	}
	other := r.Dial(t)
	other.Hear(t, wire.Auth)
	other.Close()
	if got := <-woken; got != "gone" {
		t.Error(got)
	}
}

func TestHooksWriteToTheirConnection(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, func(ctx context.Context) {
			conn := khatru.GetConnection(ctx)
			conn.WriteJSON(nostr.NoticeEnvelope("welcome " + strings.Repeat("x", 5000))) // several frames
			conn.WriteMessage(int(websocket.MessageBinary), []byte("not for a client"))
			conn.WriteMessage(int(websocket.MessageText), []byte(`["NOTICE","second"]`))
		})
	})
	client := r.Dial(t)
	if got := client.Hear(t, wire.Notice).Text; got != "welcome "+strings.Repeat("x", 5000) {
		t.Errorf("%.50s", got)
	}
	if got := client.Hear(t, wire.Notice).Text; got != "second" {
		t.Error(got)
	}
}

func TestOnDisconnectRunsExactlyOnce(t *testing.T) {
	var connected, gone atomic.Int32
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, func(context.Context) { connected.Add(1) })
		rl.OnDisconnect = append(rl.OnDisconnect, func(ctx context.Context) {
			if khatru.GetIP(ctx) != "127.0.0.1" {
				t.Errorf("ip %q", khatru.GetIP(ctx))
			}
			gone.Add(1)
		})
	})
	polite, rude, kept := r.Dial(t), r.Dial(t), r.Dial(t)
	polite.Conn.Close(websocket.StatusNormalClosure, "")
	rude.Close()
	relaytest.Eventually(t, "two have gone", func() bool { return gone.Load() == 2 })
	kept.Query(t, `{}`)
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if connected.Load() != 3 || gone.Load() != 3 {
		t.Errorf("%d connected, %d disconnected", connected.Load(), gone.Load())
	}
}

func TestPreventBroadcastKnowsEachSubscriber(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, khatru.RequestAuth)
		rl.PreventBroadcast = append(rl.PreventBroadcast, func(ws *khatru.WebSocket, e *nostr.Event) bool {
			return e.Content == "for alice" && ws.AuthedPublicKey != alice.Hex()
		})
	})
	hers, his, anyones := r.Dial(t), r.Dial(t), r.Dial(t)
	hers.Authenticate(t, alice, "")
	his.Authenticate(t, bob, "")
	anyones.Hear(t, wire.Auth)
	for _, c := range []*relaytest.Client{hers, his, anyones} {
		c.Stored(t, "live", `{"kinds":[1]}`)
	}
	publisher := r.Dial(t)
	publisher.Hear(t, wire.Auth)
	publisher.Accepted(t, bob.Note(t, "for all"), bob.Note(t, "for alice"))
	for _, c := range []*relaytest.Client{hers, his, anyones} {
		if got := c.Event(t, "live").Content; got != "for all" {
			t.Errorf("got %q", got)
		}
	}
	if got := hers.Event(t, "live").Content; got != "for alice" {
		t.Errorf("got %q", got)
	}
	his.Quiet(t)
	anyones.Quiet(t)
	if got := anyones.Query(t, `{"kinds":[1]}`); len(got) != 2 {
		t.Errorf("%d stored events: only live ones are prevented", len(got))
	}
}

func TestEventsReachTheHooksOnceAndInOrder(t *testing.T) {
	var mu sync.Mutex
	var got []string
	note := func(what string) func(context.Context, *nostr.Event) {
		return func(ctx context.Context, e *nostr.Event) {
			mu.Lock()
			defer mu.Unlock()
			got = append(got, what+" "+e.Content+" from "+khatru.GetIP(ctx))
		}
	}
	r, d := serve(t, setup{hooks: func(rl *khatru.Relay) {
		rl.OnEventSaved = append(rl.OnEventSaved, note("saved"))
		rl.OnEphemeralEvent = append(rl.OnEphemeralEvent, note("ephemeral"))
		rl.RejectEvent = append(rl.RejectEvent, func(_ context.Context, e *nostr.Event) (bool, string) {
			return e.Kind == 7, "no"
		})
	}})
	client := r.Dial(t)
	one, profile := alice.Note(t, "one"), alice.Sign(t, event.Event{Kind: 0, Content: "profile", CreatedAt: at(0)})
	client.Accepted(t, one, alice.Sign(t, event.Event{Kind: 20001, Content: "passing"}), profile, one)
	client.Send(t, alice.Sign(t, event.Event{Kind: 0, Content: "stale", CreatedAt: at(-100)}))
	client.Refused(t, alice.Sign(t, event.Event{Kind: 7, Content: "refused"}), "blocked: no")
	client.Publish(t, alice.Note(t, "last"))
	client.Close() // hooks of an event know its connection when that has gone
	relaytest.Eventually(t, "the last one is stored", func() bool { return r.Store.Stats().Events == 3 })
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := d.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := "saved one from 127.0.0.1, ephemeral passing from 127.0.0.1, saved profile from 127.0.0.1, saved last from 127.0.0.1"
	if got := strings.Join(got, ", "); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// passOn keeps events of kind 7 off the disk.
type passOn struct{}

func (passOn) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if e.Kind == 7 {
		return policy.Verdict{Action: policy.RelayOnly}
	}
	return policy.Verdict{}
}

func TestWhatIsNotStoredIsNotSaved(t *testing.T) {
	saved := make(chan int, 2)
	rl := khatru.NewRelay()
	rl.OnEventSaved = append(rl.OnEventSaved, func(_ context.Context, e *nostr.Event) { saved <- e.Kind })
	d, err := door.New(rl, door.Options{})
	if err != nil {
		t.Fatal(err)
	}
	client := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil,
		policy.Named{Name: "pass on", Policy: passOn{}}, policy.Named{Name: "khatru", Policy: d},
	)}).Dial(t)
	client.Accepted(t, alice.Sign(t, event.Event{Kind: 7}), alice.Note(t, "stored"))
	if kind := <-saved; kind != 1 {
		t.Errorf("OnEventSaved was told of kind %d", kind)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestASlowHookHoldsNobodysLiveEvents(t *testing.T) {
	hold, held := make(chan struct{}), make(chan struct{}, 100)
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.OnConnect = append(rl.OnConnect, khatru.RequestAuth)
		rl.OnEventSaved = append(rl.OnEventSaved, func(ctx context.Context, _ *nostr.Event) {
			khatru.GetConnection(ctx)
			held <- struct{}{}
			<-hold
		})
		rl.PreventBroadcast = append(rl.PreventBroadcast, func(*khatru.WebSocket, *nostr.Event) bool { return false })
	})
	client, other := r.Dial(t), r.Dial(t)
	auth := alice.Auth(t, r.URL, client.Hear(t, wire.Auth).Text)
	other.Hear(t, wire.Auth)
	other.Stored(t, "live", `{"kinds":[1]}`)
	client.Stored(t, "hers", `{"kinds":[1]}`)
	first := alice.Note(t, "first")
	client.Accepted(t, first)
	<-held
	// The hook of client's event runs: its identity cannot change now, and yet
	// PreventBroadcast is asked about it.
	client.Say(t, `["AUTH",`+string(auth.Raw)+`]`)
	other.Event(t, "live")
	for i := range 50 {
		e := alice.Note(t, fmt.Sprint(i))
		other.Publish(t, e)
		for range 2 {
			if m := other.Next(t); !strings.Contains(m, e.ID.String()) {
				t.Fatal(m)
			}
		}
	}
	close(hold)
	for {
		if reply := client.Next(t); strings.HasPrefix(reply, `["OK","`+auth.ID.String()) {
			if !strings.Contains(reply, "true") {
				t.Error(reply)
			}
			return
		}
	}
}

func TestFiltersAreRewritten(t *testing.T) {
	var sub atomic.Value
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.OverwriteFilter = append(rl.OverwriteFilter, policies.RemoveSearchQueries, policies.RemoveAllButKinds(1, 29999, 30023),
			func(ctx context.Context, _ *nostr.Filter) { sub.Store(khatru.GetSubscriptionID(ctx)) })
	})
	client := r.Dial(t)
	note, reaction := alice.Note(t, "note"), alice.Sign(t, event.Event{Kind: 7})
	client.Accepted(t, note, reaction)
	for filter, want := range map[string]int{
		`{"kinds":[1,7]}`: 1,
		`{"kinds":[7]}`:   0,
		`{"kinds":[1],"search":"note","limit":5}`: 0, // "just skipped"
		`{"kinds":[1],"limit":5}`:                 1,
	} {
		if got := client.Query(t, filter); len(got) != want {
			t.Errorf("%s: %d events, want %d", filter, len(got), want)
		}
		if got := client.Count(t, filter); got != want && !strings.Contains(filter, "search") {
			t.Errorf("%s: COUNT %d, want %d", filter, got, want)
		}
	}
	client.Stored(t, "feed", `{"kinds":[7,30023],"search":"x"}`)
	if sub.Load() != "feed" {
		t.Errorf("subscription id %q", sub.Load())
	}
	client.Accepted(t, alice.Sign(t, event.Event{Kind: 7, Content: "2"}), alice.Sign(t, event.Event{Kind: 30023}))
	if got := client.Event(t, "feed").Kind; got != 30023 {
		t.Errorf("live event of kind %d", got)
	}
	client.Quiet(t)
}

func TestOnlyProtectedEvents(t *testing.T) {
	client := withHooks(t, func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, policies.OnlyAllowNIP70ProtectedEvents)
	}).Dial(t)
	client.Refused(t, alice.Note(t, "for everybody"), "blocked: we only accept events protected")
	mine := alice.Note(t, "mine", event.Tag{"-"})
	client.Publish(t, mine)
	challenge := client.Hear(t, wire.Auth).Text
	if r := client.HearOK(t, mine.ID.String()); r.OK || !strings.HasPrefix(r.Text, "auth-required:") {
		t.Fatal(r.Text)
	}
	client.Authenticate(t, alice, challenge)
	client.Accepted(t, mine)
}

func TestHooksCannotChangeWhatIsStored(t *testing.T) {
	client := withHooks(t, func(rl *khatru.Relay) {
		spoil := func(e *nostr.Event) { e.Content, e.Tags[0][1] = "spoilt", "spoilt" }
		rl.RejectEvent = append(rl.RejectEvent, func(_ context.Context, e *nostr.Event) (bool, string) { spoil(e); return false, "" })
		rl.OnEventSaved = append(rl.OnEventSaved, func(_ context.Context, e *nostr.Event) { spoil(e) })
		rl.PreventBroadcast = append(rl.PreventBroadcast, func(_ *khatru.WebSocket, e *nostr.Event) bool { spoil(e); return false })
	}).Dial(t)
	client.Stored(t, "live", `{"kinds":[1]}`)
	note := alice.Note(t, "kept", event.Tag{"t", "kept"})
	client.Publish(t, note)
	for range 2 {
		if m := client.Next(t); strings.Contains(m, "spoilt") || strings.HasPrefix(m, `["EVENT"`) && m != `["EVENT","live",`+string(note.Raw)+`]` {
			t.Error(m)
		}
	}
	if got := client.Query(t, `{}`); len(got) != 1 || string(got[0].Raw) != string(note.Raw) {
		t.Error(got)
	}
}

func TestHooksSeeTheWholeEvent(t *testing.T) {
	var seen atomic.Value
	client := withHooks(t, func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, func(_ context.Context, e *nostr.Event) (bool, string) {
			ok, err := e.CheckSignature()
			raw, _ := json.Marshal(e)
			seen.Store(string(raw))
			return !ok || err != nil || !e.CheckID(), "invalid: the copy does not hold"
		})
	}).Dial(t)
	note := alice.Note(t, "\u2028 <&> \"\n\\", event.Tag{"e"}, event.Tag{"t", "", "x"})
	client.Accepted(t, note)
	var got, want nostr.Event
	json.Unmarshal([]byte(seen.Load().(string)), &got)
	json.Unmarshal(note.Raw, &want)
	if got.String() != want.String() {
		t.Errorf("%s\n%s", got, want)
	}
}
