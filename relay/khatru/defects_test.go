package khatru_test

// The defects of khatru v0.19.1 and eventstore v0.16.2, each named by its test,
// against moa's engine with the door in place.

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// allHooks makes a relay with a hook in every list, none of which refuses.
func allHooks(rl *khatru.Relay) {
	event := func(context.Context, *nostr.Event) (bool, string) { return false, "" }
	filter := func(context.Context, nostr.Filter) (bool, string) { return false, "" }
	saved := func(ctx context.Context, _ *nostr.Event) { khatru.GetAuthed(ctx) }
	conn := func(ctx context.Context) { khatru.GetConnection(ctx) }
	rl.RejectEvent = append(rl.RejectEvent, event)
	rl.RejectFilter = append(rl.RejectFilter, filter)
	rl.RejectCountFilter = append(rl.RejectCountFilter, filter)
	rl.OverwriteFilter = append(rl.OverwriteFilter, func(context.Context, *nostr.Filter) {})
	rl.OnEventSaved = append(rl.OnEventSaved, saved)
	rl.OnEphemeralEvent = append(rl.OnEphemeralEvent, saved)
	rl.PreventBroadcast = append(rl.PreventBroadcast, func(ws *khatru.WebSocket, _ *nostr.Event) bool { return ws.Request == nil })
	rl.OnConnect = append(rl.OnConnect, conn)
	rl.OnDisconnect = append(rl.OnDisconnect, conn)
	rl.RejectConnection = append(rl.RejectConnection, func(*http.Request) bool { return false })
}

func TestDefectOneElementDTagCrashes(t *testing.T) {
	onStores(t, allHooks, func(t *testing.T, r *relaytest.Relay) {
		client := r.Dial(t)
		first := alice.Sign(t, event.Event{Kind: 30000, Content: "1", CreatedAt: at(-1), Tags: []event.Tag{{"d"}}})
		second := alice.Sign(t, event.Event{Kind: 30000, Content: "2", Tags: []event.Tag{{"d", ""}}})
		client.Accepted(t, first, second)
		if got := client.Query(t, `{"kinds":[30000]}`); len(got) != 1 || got[0].ID != second.ID {
			t.Errorf("a d tag of one element is another address than an empty one: %v", ids(got))
		}
	})
}

func TestDefectLimitZeroSkipsTheReadPolicy(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) { rl.RejectFilter = append(rl.RejectFilter, policies.MustAuth) })
	reader, writer := r.Dial(t), r.Dial(t)
	reader.Say(t, `["REQ","x",{"kinds":[4],"limit":0}]`)
	reader.Hear(t, wire.Auth)
	if got := reader.Hear(t, wire.Closed).Text; !strings.HasPrefix(got, "auth-required:") {
		t.Fatal(got)
	}
	writer.Accepted(t, alice.Sign(t, event.Event{Kind: 4, Content: "secret", Tags: []event.Tag{{"p", bob.Hex()}}}))
	// Quiet itself would be refused here: an answer that comes after the event.
	reader.Closed(t, "y", "auth-required:", `["REQ","y",{}]`)
}

func TestDefectARejectedREQKeepsListening(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.RejectFilter = append(rl.RejectFilter, func(_ context.Context, f nostr.Filter) (bool, string) {
			return slices.Contains(f.Kinds, 4), "no"
		})
	})
	reader, writer := r.Dial(t), r.Dial(t)
	reader.Closed(t, "s", "blocked: filter 2: no", `["REQ","s",{"kinds":[1]},{"kinds":[4]}]`)
	writer.Accepted(t, alice.Note(t, "x"))
	reader.Quiet(t)
}

// Run with -race: subscriptions that come and go during a fan-out,
// and a document that is asked for all the time.
func TestDefectListenersAreRaced(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) {
		allHooks(rl)
		rl.Info.AddSupportedNIP(50) // leaves spare capacity, which khatru appends to
	})
	writer := r.Dial(t)
	var wg sync.WaitGroup
	for range 3 {
		client := r.Dial(t)
		wg.Go(func() {
			for i := range 40 {
				client.TrySay(fmt.Sprintf(`["REQ","%d",{"kinds":[1],"limit":1}]`, i))
				client.TrySay(fmt.Sprintf(`["CLOSE","%d"]`, i))
				if i%10 == 0 {
					client.TrySay(`["REQ","stays",{"kinds":[1],"limit":0}]`)
				}
			}
		})
		wg.Go(func() {
			for range 5 {
				req, _ := http.NewRequest(http.MethodGet, "http://"+r.Addr, http.NoBody)
				req.Header.Set("Accept", "application/nostr+json")
				if resp, err := http.DefaultTransport.RoundTrip(req); err != nil {
					t.Error(err)
				} else {
					resp.Body.Close()
				}
			}
		})
	}
	for i := range 40 {
		writer.Accepted(t, alice.Note(t, fmt.Sprint(i)))
	}
	wg.Wait()
	http.DefaultTransport.(*http.Transport).CloseIdleConnections()
}

func TestDefectOKsOutOfOrder(t *testing.T) {
	client := withHooks(t, allHooks).Dial(t)
	var want []string
	for i := range 60 {
		size := 10
		if i%10 == 0 {
			size = 60000
		}
		e := alice.Note(t, fmt.Sprint(i, strings.Repeat("x", size)))
		if i%7 == 0 {
			e.Raw = bytes.Replace(e.Raw, []byte(`"sig":"`), []byte(`"sig":"0`), 1) // malformed: refused early
		}
		want = append(want, e.ID.String())
		client.Publish(t, e)
	}
	for i, id := range want {
		if got := client.HearOK(t, id); got.OK == (i%7 == 0) {
			t.Errorf("%d: %v %s", i, got.OK, got.Text)
		}
	}
}

func TestDefectCLOSEOvertakesREQ(t *testing.T) {
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.RejectFilter = append(rl.RejectFilter, func(context.Context, nostr.Filter) (bool, string) {
			time.Sleep(time.Millisecond) // so that what comes behind could be first
			return false, ""
		})
	})
	client, writer := r.Dial(t), r.Dial(t)
	for i := range 30 {
		client.Say(t, `["REQ","%d",{"kinds":[1]}]`, i)
		client.Say(t, `["CLOSE","%d"]`, i)
	}
	client.UpToNow(t) // some of their EOSEs
	writer.Accepted(t, alice.Note(t, "x"))
	client.Quiet(t)
}

func TestDefectOneStuckSubscriberBlocksEverybody(t *testing.T) {
	r, _ := serve(t, setup{hooks: allHooks, config: func(c *relay.Config) { c.Limits.OutboxBytes = 256 << 10 }})
	conn, err := net.Dial("tcp", r.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.(*net.TCPConn).SetReadBuffer(4096)
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n", r.Addr)
	in := bufio.NewReader(conn)
	for line := "x"; strings.TrimSpace(line) != ""; line, err = in.ReadString('\n') {
		if err != nil {
			t.Fatal(err)
		}
	}
	req := `["REQ","s",{"kinds":[1]}]`
	conn.Write(append([]byte{0x81, 0x80 | byte(len(req)), 0, 0, 0, 0}, req...)) // and never reads again
	relaytest.Eventually(t, "the subscription is there", func() bool { return r.Metric(t, "moa_subscriptions") == 1 })

	writer, reader := r.Dial(t), r.Dial(t)
	reader.Stored(t, "live", `{"kinds":[1]}`)
	cut := func() bool { return r.Metric(t, "moa_connections_dropped_total", "reason", "slow_consumer") == 1 }
	n := 0
	for text := strings.Repeat("x", 60000); !cut(); n++ {
		if n == 400 {
			t.Fatal("it is not disconnected")
		}
		e := alice.Note(t, fmt.Sprint(n, text))
		writer.Accepted(t, e)
		if got := reader.Event(t, "live"); got.ID != e.ID {
			t.Fatalf("event %d did not come", n)
		}
	}
}

func TestDefectEveryListenerMarshalsAgain(t *testing.T) {
	r := withHooks(t, allHooks)
	writer := r.Dial(t)
	var readers []*relaytest.Client
	for range 5 {
		c := r.Dial(t)
		c.Stored(t, "s", `{"kinds":[1]}`)
		readers = append(readers, c)
	}
	note := alice.Note(t, "bytes \u00e9 <&> \u2028", event.Tag{"t", "x"})
	writer.Accepted(t, note)
	want := `["EVENT","s",` + string(note.Raw) + `]`
	for _, c := range readers {
		if got := c.Next(t); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	writer.Say(t, `["REQ","s",{"kinds":[1]}]`)
	if got := writer.Next(t); got != want {
		t.Errorf("stored: %s", got)
	}
}

func TestDefectAReusedSubIDDeliversTwice(t *testing.T) {
	r := withHooks(t, allHooks)
	reader, writer := r.Dial(t), r.Dial(t)
	reader.Stored(t, "s", `{"kinds":[1]}`)
	reader.Stored(t, "s", `{"kinds":[1]}`, `{"authors":["`+alice.Hex()+`"]}`) // and two of its filters match
	writer.Accepted(t, alice.Note(t, "x"))
	reader.Event(t, "s")
	reader.Quiet(t)
}

func TestDefectAGapOrADuplicateBetweenStoredAndLive(t *testing.T) {
	onStores(t, allHooks, func(t *testing.T, r *relaytest.Relay) {
		const events, readers = 300, 8
		writer := r.Dial(t)
		var notes []*event.Event
		for i := range events {
			notes = append(notes, alice.Note(t, fmt.Sprint(i)))
		}
		begun := make(chan struct{})
		var wg sync.WaitGroup
		for w := range readers {
			client := r.Dial(t)
			wg.Go(func() {
				<-begun
				seen := map[string]int{}
				if err := client.TrySay(`["REQ","s",{"kinds":[1],"limit":1000}]`); err != nil {
					t.Error(err)
				}
				for len(seen) < events {
					m, err := client.TryNext(relaytest.Patience)
					if err != nil {
						t.Errorf("reader %d: after %d events: %v", w, len(seen), err)
						return
					}
					if reply, err := wire.ParseReply([]byte(m)); err == nil && reply.Verb == wire.Event {
						e, _ := event.Parse(reply.Event)
						if seen[e.ID.String()]++; seen[e.ID.String()] > 1 {
							t.Errorf("reader %d: %s came twice", w, e.Content)
						}
					}
				}
			})
		}
		for i, e := range notes {
			if i == events/4 {
				close(begun)
			}
			writer.Publish(t, e)
		}
		for _, e := range notes {
			writer.HearOK(t, e.ID.String())
		}
		wg.Wait()
	})
}

func TestDefectKind5DeletesBeforeThePolicyIsAsked(t *testing.T) {
	onStores(t, func(rl *khatru.Relay) {
		rl.RejectEvent = append(rl.RejectEvent, func(_ context.Context, e *nostr.Event) (bool, string) {
			return e.Kind == 5, "no deletions here"
		})
	}, func(t *testing.T, r *relaytest.Relay) {
		client := r.Dial(t)
		note := alice.Note(t, "x")
		client.Accepted(t, note)
		client.Refused(t, alice.Sign(t, event.Event{Kind: 5, Tags: []event.Tag{{"e", note.ID.String()}}}), "blocked: no deletions here")
		if got := client.Query(t, `{"ids":["`+note.ID.String()+`"]}`); len(got) != 1 {
			t.Error("it is gone although the deletion was refused")
		}
	})
}

func TestDefectDeletedEventsCanBePublishedAgain(t *testing.T) {
	onStores(t, allHooks, func(t *testing.T, r *relaytest.Relay) {
		client := r.Dial(t)
		note, article := alice.Note(t, "x"), alice.Sign(t, event.Event{Kind: 30023, CreatedAt: at(-5), Tags: []event.Tag{{"d", "a"}}})
		client.Accepted(t, note, article)
		client.Accepted(t, bob.Sign(t, event.Event{Kind: 5, Tags: []event.Tag{{"e", note.ID.String()}}})) // not the author's
		if got := client.Query(t, `{"kinds":[1]}`); len(got) != 1 {
			t.Error("another person has deleted it")
		}
		client.Accepted(t, alice.Sign(t, event.Event{Kind: 5, Tags: []event.Tag{
			{"e", note.ID.String()}, {"a", "30023:" + alice.Hex() + ":a"},
		}}))
		client.Refused(t, note, "blocked:")
		client.Refused(t, article, "blocked:")
		if got := client.Query(t, `{"kinds":[1,30023]}`); len(got) != 0 {
			t.Errorf("%d are back", len(got))
		}
	})
}

func TestDefectAStaleReplaceableIsBroadcast(t *testing.T) {
	onStores(t, allHooks, func(t *testing.T, r *relaytest.Relay) {
		reader, writer := r.Dial(t), r.Dial(t)
		reader.Stored(t, "s", `{"kinds":[0]}`)
		fresh := alice.Sign(t, event.Event{Kind: 0, Content: "new"})
		writer.Accepted(t, fresh)
		writer.Send(t, alice.Sign(t, event.Event{Kind: 0, Content: "old", CreatedAt: fresh.CreatedAt - 100}))
		if got := reader.Event(t, "s"); got.ID != fresh.ID {
			t.Error(got.Content)
		}
		reader.Quiet(t)
	})
}

// The other half of OnDisconnect twice is TestOnDisconnectRunsExactlyOnce, and
// of the management API TestManagementIsForAdmins.
func TestDefectManagementIsOpenToAnyoneByDefault(t *testing.T) {
	r, calls := managed(t) // no admins
	for _, by := range []relaytest.Key{alice, bob} {
		resp, body := ask(t, r, "POST", "/", ban, "Content-Type", management, "Authorization", authorization(t, by, "https://garden.example", ban, nil))
		if resp.StatusCode != 403 {
			t.Errorf("%d %s", resp.StatusCode, body)
		}
	}
	if calls.Load() != 0 {
		t.Error("banpubkey was called")
	}
}

func TestDefectForwardedForIsBelievedFromAnyone(t *testing.T) {
	ips := make(chan string, 2)
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.RejectConnection = append(rl.RejectConnection, func(r *http.Request) bool { ips <- khatru.GetIPFromRequest(r); return false })
		rl.OnConnect = append(rl.OnConnect, func(ctx context.Context) { ips <- khatru.GetIP(ctx) })
	})
	r.Dial(t, "X-Forwarded-For", "8.8.8.8", "X-Real-IP", "8.8.8.8", "Forwarded", "for=8.8.8.8")
	for range 2 {
		if ip := <-ips; ip != "127.0.0.1" {
			t.Error(ip)
		}
	}
}

func TestDefectTheTagIndexHasNoLetterAndEightBytes(t *testing.T) {
	onStores(t, allHooks, func(t *testing.T, r *relaytest.Relay) {
		client := r.Dial(t)
		x := strings.Repeat("ab", 32)
		near := x[:16] + strings.Repeat("00", 24)
		note := alice.Note(t, "p only", event.Tag{"p", near}, event.Tag{"t", "word"})
		client.Accepted(t, note)
		for filter, want := range map[string]int{
			`{"#p":["` + near + `"]}`:                          1,
			`{"#e":["` + near + `"]}`:                          0,
			`{"#p":["` + x + `"]}`:                             0,
			`{"#t":["word"]}`:                                  1,
			`{"#d":["word"]}`:                                  0,
			`{"#T":["word"]}`:                                  0,
			`{"ids":["` + note.ID.String() + `"],"kinds":[9]}`: 0,
		} {
			if got := client.Query(t, filter); len(got) != want {
				t.Errorf("%s finds %d", filter, len(got))
			}
			if got := client.Count(t, filter); got != want {
				t.Errorf("%s counts %d", filter, got)
			}
		}
	})
}

func TestDefectALimitAboveTheMaximumGivesAQuarter(t *testing.T) {
	for name, st := range map[string]setup{"memory": {}, "badger": {store: openBadger(t)}} {
		t.Run(name, func(t *testing.T) {
			st.hooks = allHooks
			st.config = func(c *relay.Config) { c.Limits.Limit, c.Limits.DefaultLimit = 20, 20 }
			r, _ := serve(t, st)
			client := r.Dial(t)
			for i := range 30 {
				client.Accepted(t, alice.Note(t, fmt.Sprint(i)))
			}
			for limit, want := range map[string]int{`,"limit":5000`: 20, `,"limit":19`: 19, ``: 20, `,"limit":0`: 0} {
				if got := client.Query(t, `{"kinds":[1]`+limit+`}`); len(got) != want {
					t.Errorf("%q: %d", limit, len(got))
				}
			}
		})
	}
}

func TestDefectAnAbandonedQueryLeaksATransaction(t *testing.T) {
	st := openBadger(t)
	r, _ := serve(t, setup{hooks: allHooks, store: st, config: func(c *relay.Config) { c.Limits.OutboxBytes = 64 << 10 }})
	writer := r.Dial(t)
	for i := range 100 {
		writer.Accepted(t, alice.Note(t, fmt.Sprint(i, strings.Repeat("x", 4000))))
	}
	before := runtime.NumGoroutine()
	for range 20 {
		client := r.Dial(t)
		for i := range 5 {
			client.Say(t, `["REQ","%d",{"kinds":[1]}]`, i) // far more than fits in an outbox
		}
		client.Say(t, `["CLOSE","0"]`)
		client.Close() // in the middle of them
	}
	relaytest.Eventually(t, "the goroutines have ended", func() bool { return runtime.NumGoroutine() <= before+2 })
	relaytest.Eventually(t, "the subscriptions have ended", func() bool { return r.Metric(t, "moa_subscriptions") == 0 })
	if got := writer.Query(t, `{"kinds":[1],"limit":100}`); len(got) != 100 {
		t.Errorf("%d events", len(got))
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	closed := make(chan error, 1)
	go func() { closed <- st.Close() }() // waits for transactions
	select {
	case err := <-closed:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(relaytest.Patience):
		t.Error("the store does not close")
	}
}
