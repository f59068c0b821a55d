package relay_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// hex64 is 64 times the digit.
func hex64(digit string) string { return strings.Repeat(digit, 64) }

// mixed is events that differ in every field that a filter can name.
func mixed(t *testing.T) []*event.Event {
	t.Helper()
	long := strings.Repeat("x", 3000)
	return []*event.Event{
		alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1000, Tags: tags([]string{"e", hex64("a")}, []string{"E", hex64("b")}, []string{"t", "x", "y"})}),
		alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1001, Tags: tags([]string{"t", "y"}, []string{"t", "z"}, []string{"t"})}),
		alice.Sign(t, event.Event{Kind: 7, CreatedAt: 1002, Tags: tags([]string{"p", bob.Hex()}, []string{"e", hex64("a")})}),
		bob.Sign(t, event.Event{Kind: 1, CreatedAt: 1003, Tags: tags([]string{"p", alice.Hex()}, []string{"P", carol.Hex()})}),
		bob.Sign(t, event.Event{Kind: 1111, CreatedAt: 1004, Tags: tags([]string{"A", "30023:" + alice.Hex() + ":a:b"}, []string{"K", "30023"}, []string{"I", "isbn:1"}, []string{"a", "1:x:"}, []string{"k", "1"}, []string{"i", "2"})}),
		bob.Sign(t, event.Event{Kind: 10002, CreatedAt: 1005, Tags: tags([]string{"r", "wss://relay.example.com/path?x=y"}, []string{"r", "wss://b.example.com", "read"})}),
		carol.Sign(t, event.Event{Kind: 30023, CreatedAt: 1006, Tags: tags([]string{"d", long}, []string{"r", long}, []string{"t", "😀"})}),
		carol.Sign(t, event.Event{Kind: 30023, CreatedAt: 1007, Tags: tags([]string{"d", long + "y"}, []string{"r", long + "y"}, []string{"t", "a\x00b"})}),
		carol.Sign(t, event.Event{Kind: 9735, CreatedAt: 1008, Tags: tags([]string{"long", "name"}, []string{"", "empty"}, []string{"1", "digit"}, []string{"t", ""})}),
		carol.Sign(t, event.Event{Kind: 1, CreatedAt: 1009}),
	}
}

var mixedFilters = []string{
	`{}`, `{"kinds":[1]}`, `{"kinds":[7,1111]}`, `{"kinds":[1,1,1]}`, `{"kinds":[]}`, `{"kinds":[65535]}`,
	`{"authors":["` + alice.Hex() + `"]}`, `{"authors":["` + bob.Hex() + `","` + carol.Hex() + `"],"kinds":[1]}`, `{"authors":[]}`,
	`{"#e":["` + hex64("a") + `"]}`, `{"#E":["` + hex64("a") + `"]}`, `{"#E":["` + hex64("b") + `"]}`, `{"#e":["` + hex64("b") + `"]}`,
	`{"#p":["` + alice.Hex() + `"]}`, `{"#P":["` + carol.Hex() + `"]}`, `{"#p":["` + carol.Hex() + `"]}`, `{"#p":["` + alice.Hex() + `","` + bob.Hex() + `"]}`,
	`{"#t":["x"]}`, `{"#t":["y"]}`, `{"#t":["z","x"]}`, `{"#t":[]}`, `{"#t":[""]}`, `{"#T":["x"]}`, `{"#t":["😀"]}`, `{"#t":["a\u0000b"]}`, `{"#t":["a"]}`, `{"#t":["X"]}`,
	`{"#A":["30023:` + alice.Hex() + `:a:b"]}`, `{"#a":["30023:` + alice.Hex() + `:a:b"]}`, `{"#K":["30023"]}`, `{"#k":["30023"]}`, `{"#I":["isbn:1"]}`, `{"#i":["isbn:1"]}`, `{"#i":["2"]}`, `{"#a":["1:x:"]}`,
	`{"#r":["wss://relay.example.com/path?x=y"]}`, `{"#r":["wss://b.example.com"]}`, `{"#r":["wss://relay.example.com"]}`,
	`{"#r":["` + strings.Repeat("x", 3000) + `"]}`, `{"#d":["` + strings.Repeat("x", 3000) + `y"]}`, `{"#d":["` + strings.Repeat("x", 2999) + `"]}`,
	`{"#t":["x"],"#e":["` + hex64("a") + `"]}`, `{"#t":["x"],"#e":["` + hex64("b") + `"]}`, `{"#l":["name"]}`,
	`{"since":1005}`, `{"until":1005}`, `{"since":1005,"until":1005}`, `{"since":1006,"until":1005}`, `{"since":1010}`, `{"until":999}`, `{"since":1003,"kinds":[1]}`,
	`{"kinds":[1]},{"authors":["` + alice.Hex() + `"]}`, `{"kinds":[1]},{"kinds":[1]},{"#t":["x"]}`, `{"ids":[]},{"kinds":[7]}`,
}

// What a filter finds stored and what it hears live is the same, each event once,
// and COUNT counts it (NIP01.23, 25, 26, 28; NIP22; NIP65.1).
func TestNIP01LiveStoredAndCountedAgree(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.Options{Store: open(t), Config: func(c *relay.Config) { c.Limits.Subscriptions = 100 }})
			live, w := r.Dial(t), r.Dial(t)
			for i, f := range mixedFilters {
				live.Stored(t, fmt.Sprint(i), f)
			}
			all := mixed(t)
			w.Accepted(t, all...)
			heard := map[string][]string{}
			for _, m := range live.UpToNow(t) {
				rep, err := wire.ParseReply([]byte(m))
				if err != nil || rep.Verb != wire.Event {
					t.Fatalf("heard %.200s", m)
				}
				heard[rep.SubID] = append(heard[rep.SubID], event.PeekID(rep.Event))
			}
			for i, f := range mixedFilters {
				var stored []string
				for _, e := range w.Query(t, f) {
					stored = append(stored, e.ID.String())
				}
				slices.Reverse(stored) // they were published in the order of their times
				if !slices.Equal(stored, heard[fmt.Sprint(i)]) {
					t.Errorf("%.200s: %d stored, %d live", f, len(stored), len(heard[fmt.Sprint(i)]))
				}
				if n := w.Count(t, f); n != len(stored) {
					t.Errorf("%.200s: %d stored, %d counted", f, len(stored), n)
				}
				if !strings.Contains(f, "},{") { // one filter a reconciliation
					if got := syncWith(t, w, f, nil, 0); len(got.need) != len(stored) {
						t.Errorf("%.200s: %d stored, %d to sync", f, len(stored), len(got.need))
					}
				}
			}
			if n := len(heard["0"]); n != len(all) {
				t.Errorf("{} hears %d", n)
			}
		})
	}
}

// Every kind does what its class does (NIP01.12, 13, 18): of two versions both
// stay, the newer, or none. B7, NIP-56, NIP-57: theirs are kinds like others.
func TestNIP01WhatKindsDo(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, live := r.Dial(t), r.Dial(t)
		live.Stored(t, "all", `{}`)
		for kept, kinds := range map[int][]uint16{
			2: {1, 2, 6, 7, 8, 16, 40, 44, 45, 999, 1000, 1111, 1984, 9735, 9999, 24242 - 20000, 40000, 50000, 65535},
			1: {0, 3, 10000, 10002, 10050, 10063, 19999, 30000, 30023, 39999},
			0: {20000, 20001, 24242, 27235, 28000, 29999},
		} {
			for _, k := range kinds {
				a := alice.Sign(t, event.Event{Kind: k, CreatedAt: 1000})
				b := alice.Sign(t, event.Event{Kind: k, CreatedAt: 1001})
				c.Accepted(t, a, b)
				want := [][]*event.Event{nil, {b}, {b, a}}[kept]
				sameIDs(t, fmt.Sprintf("NIP01.12 kind %d", k), c.Query(t, fmt.Sprintf(`{"kinds":[%d]}`, k)), want...)
				sameIDs(t, fmt.Sprintf("NIP01.12 kind %d live", k), []*event.Event{live.Event(t, "all"), live.Event(t, "all")}, a, b)
			}
		}
		live.Quiet(t)
	})
}

// NIP01.31: the newest n, however many index ranges the filter reads.
func TestNIP01TheNewestOfManyRanges(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		var all []*event.Event
		for i := range 120 {
			k := []relaytest.Key{alice, bob, carol}[i%3]
			e := k.Sign(t, event.Event{Kind: []uint16{1, 7, 1111, 9735}[i%4], CreatedAt: int64(1000 + i*7%120), Tags: tags([]string{"t", fmt.Sprint(i % 5)}, []string{"e", hex64("a")})})
			c.Publish(t, e)
			all = append(all, e)
		}
		for _, e := range all {
			c.HearOK(t, e.ID.String())
		}
		slices.SortFunc(all, func(a, b *event.Event) int { return int(b.CreatedAt - a.CreatedAt) })
		for _, f := range []string{
			`"kinds":[1,7,1111,9735]`,
			`"#t":["0","1","2","3","4"]`,
			`"#e":["` + hex64("a") + `"]`,
			`"authors":["` + alice.Hex() + `","` + bob.Hex() + `","` + carol.Hex() + `"],"kinds":[1,7,1111,9735]`,
			`"#t":["0","1","2","3","4"],"kinds":[9735,1111,7,1]`,
			`"since":5`,
		} {
			for _, n := range []int{1, 10, 119, 120, 500} {
				sameIDs(t, fmt.Sprintf("NIP01.31 %.60s, limit %d", f, n), c.Query(t, fmt.Sprintf(`{%s,"limit":%d}`, f, n)), all[:min(n, 120)]...)
			}
			// of two filters each has its limit (NIP01.30)
			got := c.Query(t, fmt.Sprintf(`{%s,"limit":10}`, f), fmt.Sprintf(`{%s,"until":1019,"limit":5}`, f))
			sameIDs(t, fmt.Sprintf("NIP01.30 %.60s", f), got, append(slices.Clone(all[:10]), all[100:105]...)...)
		}
	})
}

// NIP01.22, 36, 41: subscriptions whose filters change all the time, of many
// connections: each event comes once to each that is open, and to no other.
func TestAThousandSubscriptions(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Subscriptions = 64 })
	const conns, each, rounds = 16, 64, 8
	var clients []*relaytest.Client
	for range conns {
		c := r.Dial(t)
		clients = append(clients, c)
		for i := range each {
			c.Say(t, `["REQ","%d",{"kinds":[1],"#t":["%d"],"limit":0},{"kinds":[1],"#p":["%s"],"limit":0}]`, i, i%2, alice.Hex())
		}
		for range each {
			c.Hear(t, wire.EOSE)
		}
	}
	if n := r.Metric(t, "moa_subscriptions"); n != conns*each {
		t.Errorf("%v are open", n)
	}
	w := r.Dial(t)
	for i := range rounds {
		w.Accepted(t, bob.Note(t, fmt.Sprint("one tag ", i), event.Tag{"t", fmt.Sprint(i % 2)}))
		w.Accepted(t, bob.Note(t, fmt.Sprint("both filters ", i), event.Tag{"t", "0"}, event.Tag{"t", "1"}, event.Tag{"p", alice.Hex()}))
	}
	const want = rounds/2 + rounds
	for n, c := range clients {
		heard := map[string][]string{}
		for range each * want {
			rep := c.Hear(t, wire.Event)
			heard[rep.SubID] = append(heard[rep.SubID], string(rep.Event))
		}
		for id, events := range heard {
			if all := slices.Compact(slices.Sorted(slices.Values(events))); len(events) != want || len(all) != want {
				t.Fatalf("connection %d, %s: %d events, %d different ones, want %d", n, id, len(events), len(all), want)
			}
		}
		c.Say(t, `["CLOSE","0"]`) // UpToNow needs a place
		c.Quiet(t)
	}
}
