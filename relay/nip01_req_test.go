package relay_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

// series publishes n notes of the key, one a second from second 1000 on, and
// returns them newest first.
func series(t *testing.T, c *relaytest.Client, k relaytest.Key, n int) []*event.Event {
	t.Helper()
	var out []*event.Event
	for i := range n {
		e := k.Sign(t, event.Event{Kind: 1, CreatedAt: int64(1000 + i), Content: fmt.Sprint(i), Tags: tags([]string{"t", fmt.Sprint(i % 2)})})
		c.Publish(t, e)
		out = append(out, e)
	}
	for _, e := range out {
		if ok := c.HearOK(t, e.ID.String()); !ok.OK {
			t.Fatal(ok.Text)
		}
	}
	slices.Reverse(out)
	return out
}

func TestNIP01SubscriptionIDs(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c, d := r.Dial(t), r.Dial(t)
	for _, id := range []string{"a", strings.Repeat("a", 64), strings.Repeat("漢", 64), `q\"\\`} {
		c.Say(t, "%s", `["REQ","`+id+`",{}]`)
		if heard := c.Next(t); !strings.HasPrefix(heard, `["EOSE","`+id+`"`) {
			t.Errorf("NIP01.20: %s", heard)
		}
		c.Say(t, "%s", `["CLOSE","`+id+`"]`)
	}
	c.Closed(t, strings.Repeat("a", 65), "invalid: ", `["REQ","`+strings.Repeat("a", 65)+`",{}]`)
	c.Closed(t, strings.Repeat("a", 256), "invalid: ", `["REQ","`+strings.Repeat("a", 256)+`",{}]`)
	for _, verb := range []string{"REQ", "COUNT", "CLOSE", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE"} {
		c.Say(t, "%s", `["`+verb+`","`+strings.Repeat("a", 400_000)+`",{},"61"]`)
		if heard := c.Next(t); !strings.HasPrefix(heard, `["NOTICE","invalid: `) || len(heard) > 200 {
			t.Errorf("NIP01.20: %s by an endless id is answered with %d bytes: %.100s", verb, len(heard), heard)
		}
	}
	c.Say(t, `["REQ","",{}]`)
	c.Hear(t, wire.Notice)
	c.Say(t, `["REQ",7,{}]`)
	c.Hear(t, wire.Notice)

	c.Stored(t, "x", `{"kinds":[1]}`)
	d.Stored(t, "x", `{"kinds":[7]}`)
	note, like := alice.Note(t, "n"), alice.Sign(t, event.Event{Kind: 7})
	r.Dial(t).Accepted(t, note, like)
	sameIDs(t, "NIP01.21", []*event.Event{c.Event(t, "x"), d.Event(t, "x")}, note, like)
	c.Quiet(t)
	d.Quiet(t)
}

func TestNIP01TheSameIDReplaces(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, w := r.Dial(t), r.Dial(t)
		series(t, w, alice, 30)
		c.Stored(t, "x", `{"kinds":[1]}`)
		c.Stored(t, "x", `{"kinds":[7]}`)
		note, like := bob.Note(t, "n"), bob.Sign(t, event.Event{Kind: 7})
		w.Accepted(t, note, like)
		sameIDs(t, "NIP01.22", []*event.Event{c.Event(t, "x")}, like)
		c.Quiet(t)

		// At once: nothing of the first answer comes behind the first message of the second.
		c.Say(t, `["REQ","y",{"authors":["%s"]}]`, alice.Hex())
		c.Say(t, `["REQ","y",{"authors":["%s"]}]`, bob.Hex())
		second := false
		for eose := false; !eose; {
			m := c.Next(t)
			rep, err := wire.ParseReply([]byte(m))
			if err != nil {
				t.Fatal(err)
			}
			switch {
			case rep.Verb == wire.Event && strings.Contains(m, alice.Hex()) && second:
				t.Fatal("NIP01.22: an event of the old query behind one of the new")
			case rep.Verb == wire.Event && strings.Contains(m, bob.Hex()):
				second = true
			case rep.Verb == wire.EOSE:
				eose = second
			}
		}
	})
}

func TestNIP01ReplacingLeaksNoPlace(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Subscriptions = 4 })
	c := r.Dial(t)
	for i := range 4 {
		c.Stored(t, fmt.Sprint(i), `{}`)
	}
	c.Closed(t, "4", "rate-limited: ", `["REQ","4",{}]`) // NIP01.36: the new one
	const times = 10_000
	said := make(chan error, 1)
	go func() {
		for range times {
			if err := c.TrySay(`["REQ","0",{"kinds":[1],"limit":0}]`); err != nil {
				said <- err
				return
			}
		}
		said <- c.TrySay(`["REQ","3",{"kinds":[3],"limit":0}]`)
	}()
	// A query that is replaced before its turn says nothing.
	for c.Hear(t, wire.EOSE).SubID != "3" {
	}
	if err := <-said; err != nil {
		t.Fatal(err)
	}
	c.Closed(t, "4", "rate-limited: ", `["REQ","4",{}]`)
	if n := r.Metric(t, "moa_subscriptions"); n != 4 {
		t.Errorf("NIP01.22: %v subscriptions are open", n)
	}
	r.Dial(t).Accepted(t, alice.Note(t, "n"))
	for range 3 {
		c.Hear(t, wire.Event)
	}
	c.Say(t, `["CLOSE","3"]`) // Quiet needs a place
	c.Quiet(t)
}

func TestNIP01FiltersAndOr(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		a := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 5, Tags: tags([]string{"e", strings.Repeat("a", 64)}, []string{"E", strings.Repeat("b", 64)}, []string{"t", "x", "y"})})
		b := bob.Sign(t, event.Event{Kind: 1, CreatedAt: 4, Tags: tags([]string{"t", "y"}, []string{"t", "z"})})
		d := bob.Sign(t, event.Event{Kind: 7, CreatedAt: 3, Tags: tags([]string{"p", alice.Hex()}, []string{"t"})})
		c.Accepted(t, a, b, d)
		for _, q := range []struct {
			name    string
			filters []string
			want    []*event.Event
		}{
			{"NIP01.27 everything", []string{`{}`}, []*event.Event{a, b, d}},
			{"NIP01.23 OR of filters, each event once", []string{`{"kinds":[1]}`, `{"authors":["` + bob.Hex() + `"]}`, `{}`}, []*event.Event{a, b, d}},
			{"NIP01.23 AND of fields", []string{`{"kinds":[1],"authors":["` + bob.Hex() + `"]}`}, []*event.Event{b}},
			{"NIP01.23 OR of values", []string{`{"authors":["` + alice.Hex() + `","` + bob.Hex() + `"],"kinds":[7,1]}`}, []*event.Event{a, b, d}},
			{"NIP01.24 ids", []string{`{"ids":["` + a.ID.String() + `","` + d.ID.String() + `"]}`}, []*event.Event{a, d}},
			{"NIP01.25 #e", []string{`{"#e":["` + strings.Repeat("a", 64) + `"]}`}, []*event.Event{a}},
			{"NIP01.25 #E", []string{`{"#E":["` + strings.Repeat("a", 64) + `"]}`}, nil},
			{"NIP01.25 #E", []string{`{"#E":["` + strings.Repeat("b", 64) + `"]}`}, []*event.Event{a}},
			{"NIP01.25 only the first value", []string{`{"#t":["y"]}`}, []*event.Event{b}},
			{"NIP01.25 any tag of the name", []string{`{"#t":["z","x"]}`}, []*event.Event{a, b}},
			{"NIP01.25 two tags", []string{`{"#t":["x"],"#e":["` + strings.Repeat("a", 64) + `"]}`}, []*event.Event{a}},
			{"NIP01.25 #p", []string{`{"#p":["` + alice.Hex() + `"]}`}, []*event.Event{d}},
			{"NIP01.26 no ids", []string{`{"ids":[]}`}, nil},
			{"NIP01.26 no kinds", []string{`{"kinds":[]}`}, nil},
			{"NIP01.26 no values", []string{`{"#t":[]}`}, nil},
			{"NIP01.26 one of two never matches", []string{`{"ids":[]}`, `{"kinds":[7]}`}, []*event.Event{d}},
			{"NIP01.28 since and until are inclusive", []string{`{"since":4,"until":5}`}, []*event.Event{a, b}},
			{"NIP01.28 since after until", []string{`{"since":5,"until":4}`}, nil},
			{"NIP01.29 limit 0", []string{`{"limit":0}`}, nil},
			{"NIP01.31 limit", []string{`{"limit":2}`}, []*event.Event{a, b}},
			{"NIP01.30 each filter has its limit", []string{`{"kinds":[1],"limit":1}`, `{"kinds":[7],"limit":5}`}, []*event.Event{a, d}},
		} {
			sameIDs(t, q.name, c.Query(t, q.filters...), q.want...)
		}
		// NIP01.26: what never matches hears nothing live either.
		c.Stored(t, "never", `{"ids":[]}`)
		c.Stored(t, "zero", `{"limit":0}`)
		c.Stored(t, "full", `{"limit":1}`)
		e := alice.Note(t, "live")
		r.Dial(t).Accepted(t, e)
		heard := []string{c.Hear(t, wire.Event).SubID, c.Hear(t, wire.Event).SubID}
		slices.Sort(heard)
		if !slices.Equal(heard, []string{"full", "zero"}) {
			t.Errorf("NIP01.29 live behind a limit: %q", heard)
		}
		c.Quiet(t)
	})
}

func TestNIP01FiltersThatAreRefused(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	for _, q := range []struct{ name, filter, prefix string }{
		{"NIP01.24 short id", `{"ids":["abcd"]}`, "invalid: "},
		{"NIP01.24 upper case", `{"authors":["` + strings.ToUpper(alice.Hex()) + `"]}`, "invalid: "},
		{"NIP01.24 #e of no hex", `{"#e":["x"]}`, "invalid: "},
		{"NIP01.24 #p too short", `{"#p":["ab"]}`, "invalid: "},
		{"NIP01.25 digit", `{"#1":["x"]}`, "unsupported: "},
		{"NIP01.25 not a letter", `{"#é":["x"]}`, "unsupported: "},
		{"NIP01.28 negative since", `{"since":-1}`, "invalid: "},
		{"NIP01.28 fraction", `{"until":1.5}`, "invalid: "},
		{"NIP01.28 text", `{"since":"1"}`, "invalid: "},
		{"NIP01.33 unknown key", `{"kind":[1]}`, "unsupported: "},
		{"NIP01.42 huge number", `{"limit":-1e999}`, "invalid: "},
		{"NIP50.2 search", `{"search":"x"}`, "unsupported: "},
		{"not an object", `[]`, "invalid: "},
	} {
		t.Run(q.name, func(t *testing.T) {
			c.Closed(t, "x", q.prefix, `["REQ","x",`+q.filter+`]`)
			c.Closed(t, "x", q.prefix, `["REQ","x",{},`+q.filter+`]`)
			c.Closed(t, "x", q.prefix, `["COUNT","x",`+q.filter+`]`)
		})
	}
	// NIP01.36: what was open by that id is closed too.
	c.Stored(t, "x", `{}`)
	c.Closed(t, "x", "invalid: ", `["REQ","x",{"ids":["a"]}]`)
	r.Dial(t).Accepted(t, alice.Note(t, "n"))
	c.Quiet(t)
}

func TestNIP01NewestFirst(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		var all []*event.Event
		for i := range 60 {
			k := []relaytest.Key{alice, bob, carol}[i%3]
			e := k.Sign(t, event.Event{Kind: 1, CreatedAt: int64(100 + i/4), Content: fmt.Sprint(i)})
			c.Accepted(t, e)
			all = append(all, e)
		}
		slices.SortFunc(all, func(a, b *event.Event) int {
			if a.CreatedAt != b.CreatedAt {
				return int(b.CreatedAt - a.CreatedAt)
			}
			return event.CompareIDs(a.ID, b.ID)
		})
		sameIDs(t, "NIP01.30 without limit", c.Query(t, `{}`), all...)
		sameIDs(t, "NIP01.31 of several authors", c.Query(t, fmt.Sprintf(`{"authors":["%s","%s","%s"],"limit":7}`, alice.Hex(), bob.Hex(), carol.Hex())), all[:7]...)
		sameIDs(t, "NIP01.30 over several filters", c.Query(t, `{"authors":["`+alice.Hex()+`"]}`, `{"authors":["`+bob.Hex()+`","`+carol.Hex()+`"]}`), all...)
	})
}

func TestNIP01CloseAndOrder(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, w := r.Dial(t), r.Dial(t)
		c.Say(t, `["CLOSE","unknown"]`)
		c.Stored(t, "x", `{}`)
		c.Say(t, `["CLOSE","x"]`)
		c.Quiet(t) // NIP01.37: not a word
		w.Accepted(t, alice.Note(t, "n"))
		c.Quiet(t)
		// NIP01.38
		for range 50 {
			c.Say(t, `["REQ","y",{"kinds":[1]}]`)
			c.Say(t, `["CLOSE","y"]`)
		}
		c.Say(t, `["REQ","z",{"kinds":[7]}]`)
		for m := range slices.Values(c.UpToNow(t)) {
			if !strings.HasPrefix(m, `["EVENT","y"`) && !strings.HasPrefix(m, `["EOSE","y"`) && !strings.HasPrefix(m, `["EOSE","z"`) {
				t.Errorf("NIP01.38: %s", m)
			}
		}
		w.Accepted(t, bob.Note(t, "2"))
		c.Quiet(t)
		// What a client has sent before it asks is stored when it is answered.
		e := carol.Note(t, "read your writes")
		c.Publish(t, e)
		c.Say(t, `["REQ","own",{"authors":["%s"]}]`, carol.Hex())
		c.HearOK(t, e.ID.String())
		sameIDs(t, "own", []*event.Event{c.Event(t, "own")}, e)
		c.Hear(t, wire.EOSE)
	})
}

func TestNIP01WhatIsNoMessageGetsANotice(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	for _, m := range []string{
		``, ` `, `x`, `{}`, `[]`, `[1]`, `["PUBLISH",{}]`, `["EOSE","x"]`, `null`, `"EVENT"`,
		strings.Repeat("[", 100_000), `["` + strings.Repeat("x", 1000) + `"]`,
	} {
		c.Say(t, "%s", m)
		if n := c.Hear(t, wire.Notice); !strings.HasPrefix(n.Text, "invalid: ") {
			t.Errorf("NIP01.39 %.20s: %s", m, n.Text)
		}
	}
	if err := c.Conn.Write(t.Context(), websocket.MessageBinary, []byte(`["REQ","bin",{}]`)); err != nil {
		t.Fatal(err)
	}
	c.Hear(t, wire.EOSE) // NIP01.39 a binary frame is taken as text
	c.Say(t, " \n[ \"REQ\" ,\t\"x\" , { \"kinds\" : [ 1 ] } ] ")
	c.Hear(t, wire.EOSE) // clients 6
	e := alice.Note(t, "\u007f")
	c.Say(t, "%s", `["EVENT",`+strings.Replace(string(e.Raw), "\u007f", `\u007f`, 1)+`]`)
	if ok := c.HearOK(t, e.ID.String()); !ok.OK {
		t.Errorf("clients 6: U+007F as an escape: %s", ok.Text)
	}
}

// NIP01.8, 36, 39, 42: whatever is wrong, and wherever, there is one answer that
// the client can tell what it belongs to.
func TestNIP01OddFramesGetOneAnswer(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	deep := strings.Repeat("[", 100_000)
	e := alice.Note(t, "x")
	with := func(old, new string) string { return `["EVENT",` + strings.Replace(string(e.Raw), old, new, 1) + `]` }
	const notice, closed, neg = `["NOTICE","invalid: `, `["CLOSED","x","invalid: `, `["NEG-ERR","x","invalid: `
	unread, read := `["OK","",false,"invalid: `, `["OK","`+e.ID.String()+`",false,"invalid: `
	for _, f := range [][2]string{
		{`["EVENT",` + deep + `]`, unread},
		{`["EVENT",{"x":` + deep + `}]`, unread},
		{with(`"tags":[]`, `"tags":`+deep), read},
		{with(`"kind":1`, `"kind":1e400`), read},
		{with(`"kind":1`, `"kind":1.0`), read},
		{with(`"kind":1`, `"kind":01`), read},
		{with(`"kind":1`, `"kind":-0`), read},
		{with(`"created_at":`, `"created_at":99999999999999999999,"x":`), read},
		{with(`"content":"x"`, `"content":"\ud800"`), read},
		{with(`"content":"x"`, `"content":"\udc00\ud800"`), read},
		{with(`"content":"x"`, "\"content\":\"\x00\""), read},
		{`["EVENT",null]`, unread},
		{`["EVENT","x",` + string(e.Raw) + `]`, unread},
		{`["AUTH",{}]`, unread},
		{`["AUTH"]`, unread},
		{`["REQ","x",{"ids":` + deep + `}]`, closed},
		{`["REQ","x",` + deep + `]`, closed},
		{`["REQ","x",{"limit":-1}]`, closed},
		{`["REQ","x",{"limit":-1e400}]`, closed},
		{`["REQ","x",{"kinds":[1e400]}]`, closed},
		{`["REQ","x",{"kinds":[1e-400]}]`, closed},
		{`["REQ","x",{"authors":null}]`, closed},
		{`["REQ","x",{"#t":["\ud800"]}]`, closed},
		{"[\"REQ\",\"x\",{\"#t\":[\"\x00\"]}]", closed},
		{`["REQ","x",{"kinds":[1],"kinds":[2]}]`, closed},
		{`["REQ","x",{"kinds":[1,]}]`, closed},
		{`["REQ","x"]`, closed},
		{`["REQ","x",null]`, closed},
		{`["REQ","x",{}`, closed},
		{`["REQ","x",{}]]`, closed},
		{`["REQ","x",{},]`, closed},
		{`["COUNT","x"]`, closed},
		{`["REQ","\ud800",{}]`, notice},
		{`["REQ"]`, notice},
		{`["REQ",null,{}]`, notice},
		{`["COUNT",{}]`, notice},
		{`["CLOSE"]`, notice},
		{`["CLOSE",1]`, notice},
		{`["CLOSE",""]`, notice},
		{`["CLOSE","x","y"]`, notice},
		{`["event",` + string(e.Raw) + `]`, notice},
		{`["OK","x",true,""]`, notice},
		{`["NEG-OPEN"]`, notice},
		{`["NEG-OPEN","x"]`, neg},
		{`["NEG-OPEN","x",{}]`, neg},
		{`["NEG-OPEN","x",[{},{}],"61"]`, neg}, // clients 4
	} {
		c.Say(t, "%s", f[0])
		if heard := c.Next(t); !strings.HasPrefix(heard, f[1]) {
			t.Errorf("%.80s: %.200s", f[0], heard)
		}
	}
	c.Quiet(t) // one answer to each, and no subscription
	// Strange, and right.
	for id, filter := range map[string]string{
		`a\"b\\\n\u0001 `: `{"until":9223372036854775807}`, "b": `{"since":18446744073709551615}`, "c": `{"#t":["\u0000"]}`, "d": `{"kinds":[1,1,1],"limit":0}`,
	} {
		c.Say(t, "%s", `["REQ","`+id+`",`+filter+`]`)
		if heard := c.Next(t); !strings.HasPrefix(heard, `["EOSE","`+id+`"`) {
			t.Errorf("%s: %s", filter, heard)
		}
	}
}

// Limits that NIP-11 has no name for.
func TestLimitsOfFilters(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Filters, c.Limits.FilterValues = 3, 6 })
	c := r.Dial(t)
	for _, verb := range []string{"REQ", "COUNT"} {
		for _, q := range []struct {
			filters string
			ok      bool
		}{
			{`{},{},{}`, true},
			{`{},{},{},{}`, false},
			{`{"kinds":[1,2],"#t":["a","b"],"#p":["` + alice.Hex() + `"],"ids":["` + alice.Hex() + `"]}`, true},
			{`{},{"kinds":[1,2],"#t":["a","b"],"#p":["` + alice.Hex() + `"],"authors":["` + alice.Hex() + `","` + bob.Hex() + `"]}`, false},
		} {
			c.Say(t, "%s", `["`+verb+`","x",`+q.filters+`]`)
			if heard := c.Next(t); strings.HasPrefix(heard, `["CLOSED","x","invalid: `) && strings.Contains(heard, "more than ") == q.ok {
				t.Errorf("%s %s: %s", verb, q.filters, heard)
			}
		}
	}
}

func TestNothingButGarbageEndsTheConnection(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	for c.TrySay(`garbage`) == nil {
		if _, err := c.TryNext(relaytest.Patience); err != nil {
			break
		}
	}
	if code := websocket.CloseStatus(lastError(c)); code != websocket.StatusPolicyViolation {
		t.Errorf("closed with %d", code)
	}
	relaytest.Eventually(t, "it is counted", func() bool {
		return r.Metric(t, "moa_connections_dropped_total", "reason", "garbage") == 1
	})
}

func lastError(c *relaytest.Client) error {
	for {
		if _, err := c.TryNext(relaytest.Patience); err != nil {
			return err
		}
	}
}
