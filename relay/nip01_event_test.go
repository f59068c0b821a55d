package relay_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
)

// fields returns an event as a map that a test can break.
func fields(t *testing.T, e *event.Event) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(e.Raw, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func object(t *testing.T, m map[string]any) string {
	t.Helper()
	raw, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

func TestNIP01ContentIsHashedVerbatim(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		for i, text := range []string{
			"\u2028\u2029", "<b>&amp;</b>", "a/b\\c\"d", "\n\r\t\b\f", "\u007f", "😀 é 漢", "", "\u0001\u001f", "\u0000",
		} {
			e := alice.Note(t, text, event.Tag{"t", text})
			c.Accepted(t, e)
			got := only(t, c.Query(t, `{"ids":["`+e.ID.String()+`"]}`))
			if got.Content != text || got.Tags[0].Value() != text {
				t.Errorf("NIP01.1 %d: %q came back as %q, %q", i, text, got.Content, got.Tags)
			}
		}
	})
}

func TestNIP01MalformedEventsAreInvalid(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	good := alice.Note(t, "good")
	sig := func(m map[string]any) string { return m["sig"].(string) }
	for _, c2 := range []struct {
		name   string
		change func(m map[string]any)
		id     string // of the OK, "" for the event's own
	}{
		{"NIP01.2 another id", func(m map[string]any) { m["id"] = strings.Repeat("ab", 32) }, strings.Repeat("ab", 32)},
		{"NIP01.2 bad signature", func(m map[string]any) { m["sig"] = strings.Repeat("11", 64) }, ""},
		{"NIP01.2 another's signature", func(m map[string]any) { m["sig"] = sig(fields(t, alice.Note(t, "other"))) }, ""},
		{"NIP01.2 upper-case id", func(m map[string]any) { m["id"] = strings.ToUpper(m["id"].(string)) }, "-"},
		{"NIP01.2 upper-case key", func(m map[string]any) { m["pubkey"] = strings.ToUpper(m["pubkey"].(string)) }, ""},
		{"NIP01.2 upper-case signature", func(m map[string]any) { m["sig"] = strings.ToUpper(sig(m)) }, ""},
		{"NIP01.2 short id", func(m map[string]any) { m["id"] = "abcd" }, "-"},
		{"NIP01.2 short key", func(m map[string]any) { m["pubkey"] = "abcd" }, ""},
		{"NIP01.2 short signature", func(m map[string]any) { m["sig"] = sig(m)[:126] }, ""},
		{"NIP01.2 long signature", func(m map[string]any) { m["sig"] = sig(m) + "00" }, ""},
		{"NIP01.3 kind 65536", func(m map[string]any) { m["kind"] = 65536 }, ""},
		{"NIP01.3 kind -1", func(m map[string]any) { m["kind"] = -1 }, ""},
		{"NIP01.3 kind 1.5", func(m map[string]any) { m["kind"] = 1.5 }, ""},
		{"NIP01.3 kind as a string", func(m map[string]any) { m["kind"] = "1" }, ""},
		{"NIP01.3 no kind", func(m map[string]any) { delete(m, "kind") }, ""},
		{"NIP01.4 empty tag", func(m map[string]any) { m["tags"] = [][]any{{}} }, ""},
		{"NIP01.4 number in a tag", func(m map[string]any) { m["tags"] = [][]any{{"e", 1}} }, ""},
		{"NIP01.4 null in a tag", func(m map[string]any) { m["tags"] = [][]any{{"e", nil}} }, ""},
		{"NIP01.4 tag is a string", func(m map[string]any) { m["tags"] = []any{"e"} }, ""},
		{"NIP01.4 tags is null", func(m map[string]any) { m["tags"] = nil }, ""},
		{"NIP01.6 negative time", func(m map[string]any) { m["created_at"] = -1 }, ""},
		{"NIP01.6 time as a string", func(m map[string]any) { m["created_at"] = "1" }, ""},
		{"NIP01.8 no id", func(m map[string]any) { delete(m, "id") }, "-"},
		{"NIP01.8 id is a number", func(m map[string]any) { m["id"] = 7 }, "-"},
	} {
		m := fields(t, good)
		c2.change(m)
		id := c2.id
		switch id {
		case "":
			id = good.ID.String()
		case "-":
			id = ""
		}
		c.Say(t, "%s", `["EVENT",`+object(t, m)+`]`)
		if ok := c.HearOK(t, id); ok.OK || !strings.HasPrefix(ok.Text, "invalid: ") {
			t.Errorf("%s: %v %q", c2.name, ok.OK, ok.Text)
		}
	}
	c.Say(t, `["EVENT"]`)
	c.HearOK(t, "")
	c.Say(t, `["EVENT",{}]`)
	c.HearOK(t, "")
	c.Say(t, `["EVENT",{"id":"`+good.ID.String()+`","content":"`+strings.Repeat("[", 100000)+`"}]`)
	c.HearOK(t, good.ID.String())
	c.Accepted(t, good) // the connection lives on
	sameIDs(t, "only the good one is stored", c.Query(t, `{}`), good)
}

func TestNIP01KindsAndTimesAtTheirEnds(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		if err := r.Server.Reload(relaytest.Config(), anyTime(t)); err != nil {
			t.Fatal(err)
		}
		c := r.Dial(t)
		for _, e := range []event.Event{
			{Kind: 65535},
			{Kind: 0},
			{Kind: 45},
			{Kind: 999},
			{Kind: 40000},
			{Kind: 1, CreatedAt: 1},
			{Kind: 1, CreatedAt: 1<<32 + 5},
			{Kind: 1, CreatedAt: 1 << 40},
		} {
			signed := alice.Sign(t, e)
			c.Accepted(t, signed)
			got := only(t, c.Query(t, `{"ids":["`+signed.ID.String()+`"]}`))
			if got.CreatedAt != signed.CreatedAt || got.Kind != signed.Kind {
				t.Errorf("NIP01.3, 6: kind %d at %d came back as kind %d at %d", signed.Kind, signed.CreatedAt, got.Kind, got.CreatedAt)
			}
		}
		sameIDs(t, "NIP01.6 since beyond 2^32", c.Query(t, `{"since":4294967300,"until":4294967301}`), c.Query(t, `{"kinds":[1],"until":4294967301,"limit":1}`)...)
	})
}

func TestNIP01UnknownFieldsAreDropped(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	e := alice.Note(t, "x")
	c.Say(t, "%s", `["EVENT",{"extra":{"deep":[1]},`+string(e.Raw[1:])+`]`)
	c.HearOK(t, e.ID.String())
	got := only(t, c.Query(t, `{}`))
	if string(got.Raw) != string(e.Raw) {
		t.Errorf("NIP01.5: %s", got.Raw)
	}
	c.Say(t, "%s", `["EVENT",{"kind":1,`+string(bob.Note(t, "y").Raw[1:])+`]`)
	if r := c.Hear(t, wire.OK); r.OK {
		t.Error("NIP01.42: a key given twice was accepted")
	}
}

func TestNIP01DuplicatesAndTheShapeOfOK(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		e := alice.Note(t, "once")
		c.Publish(t, e)
		if got, want := c.Next(t), fmt.Sprintf(`["OK","%s",true,""]`, e.ID); got != want {
			t.Errorf("NIP01.7: %s", got)
		}
		for range 2 {
			if ok := c.Send(t, e); !ok.OK || !strings.HasPrefix(ok.Text, "duplicate: ") {
				t.Errorf("NIP01.9: %v %q", ok.OK, ok.Text)
			}
		}
		if ok := r.Dial(t).Send(t, e); !ok.OK || !strings.HasPrefix(ok.Text, "duplicate: ") {
			t.Errorf("NIP01.9 from another connection: %v %q", ok.OK, ok.Text)
		}
		only(t, c.Query(t, `{}`))
	})
}

func TestNIP01AuthEventsAreNotPublished(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c, reader := r.Dial(t), r.Dial(t)
	reader.Stored(t, "all", `{}`)
	c.Refused(t, alice.Auth(t, r.URL, "x"), "invalid: ")
	reader.Quiet(t)
	if got := c.Query(t, `{}`); len(got) > 0 {
		t.Errorf("NIP01.11: %s", list(got))
	}
}

func TestNIP01OneVersionCounts(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, live := r.Dial(t), r.Dial(t)
		live.Stored(t, "all", `{}`)
		for _, k := range []struct {
			name string
			kind uint16
			tags [3][]event.Tag // of the old, the new and the latest version
		}{
			{"NIP01.13 kind 0", 0, [3][]event.Tag{}},
			{"NIP01.13 kind 3", 3, [3][]event.Tag{}},
			{"NIP01.13 kind 10000", 10000, [3][]event.Tag{}},
			{"NIP01.13 kind 19999", 19999, [3][]event.Tag{}},
			{"NIP01.13 addressable", 30000, [3][]event.Tag{tags([]string{"d", "x"}), tags([]string{"d", "x", "y"}), tags([]string{"t", "z"}, []string{"d", "x"}, []string{"d", "y"})}},
			{"NIP01.15 no d is an empty d", 30001, [3][]event.Tag{nil, tags([]string{"d"}), tags([]string{"d", ""})}},
			{"NIP01.15 the first d", 30002, [3][]event.Tag{tags([]string{"d"}, []string{"d", "x"}), nil, tags([]string{"d", ""}, []string{"d", "y"})}},
			{"NIP01.16 d of a replaceable", 10001, [3][]event.Tag{tags([]string{"d", "1"}), tags([]string{"d", "2"}), nil}},
		} {
			var v [3]*event.Event
			for i := range v {
				v[i] = alice.Sign(t, event.Event{Kind: k.kind, CreatedAt: int64(1000 + i), Tags: k.tags[i], Content: k.name})
			}
			c.Accepted(t, v[1])
			c.Refused(t, v[0], "duplicate: ")
			c.Accepted(t, v[2])
			c.Refused(t, v[1], "duplicate: ")
			filter := fmt.Sprintf(`{"kinds":[%d]}`, k.kind)
			sameIDs(t, k.name, c.Query(t, filter), v[2])
			sameIDs(t, "NIP01.17 by id: "+k.name, c.Query(t, `{"ids":["`+v[1].ID.String()+`"]}`))
			sameIDs(t, "live: "+k.name, []*event.Event{live.Event(t, "all"), live.Event(t, "all")}, v[1], v[2])
			live.Quiet(t) // NIP01.19: nothing of the old version
		}
		other := alice.Sign(t, event.Event{Kind: 30000, Tags: tags([]string{"d", "other"})})
		c.Accepted(t, other, bob.Sign(t, event.Event{Kind: 30000, Tags: tags([]string{"d", "x"})}))
		if got := c.Query(t, `{"kinds":[30000]}`); len(got) != 3 {
			t.Errorf("another d or author is another event: %s", list(got))
		}
	})
}

func TestNIP01OfTheSameSecondTheLowestIDIsKept(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		for i, kind := range []uint16{0, 30000} {
			a := alice.Sign(t, event.Event{Kind: kind, CreatedAt: 1000, Content: "a"})
			b := alice.Sign(t, event.Event{Kind: kind, CreatedAt: 1000, Content: "b"})
			if event.CompareIDs(a.ID, b.ID) > 0 {
				a, b = b, a
			}
			if i == 0 {
				c.Accepted(t, b, a)
			} else {
				c.Accepted(t, a)
				c.Refused(t, b, "duplicate: ")
			}
			sameIDs(t, "NIP01.14", c.Query(t, fmt.Sprintf(`{"kinds":[%d]}`, kind)), a)
		}
		// Many at once, from many connections.
		var all []*event.Event
		lowest := 0
		for i := range 24 {
			e := bob.Sign(t, event.Event{Kind: 0, CreatedAt: 1000, Content: fmt.Sprint(i)})
			all = append(all, e)
			if event.CompareIDs(e.ID, all[lowest].ID) < 0 {
				lowest = i
			}
		}
		var clients []*relaytest.Client
		for range 6 {
			clients = append(clients, r.Dial(t))
		}
		for i, e := range all {
			clients[i%len(clients)].Publish(t, e)
		}
		for i, e := range all {
			clients[i%len(clients)].HearOK(t, e.ID.String())
		}
		sameIDs(t, "NIP01.14 at once", c.Query(t, `{"kinds":[0],"authors":["`+bob.Hex()+`"]}`), all[lowest])
	})
}

func TestNIP01EphemeralEventsAreOnlyPassedOn(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, live := r.Dial(t), r.Dial(t)
		live.Stored(t, "eph", `{"kinds":[20000,29998]}`)
		nobody := alice.Sign(t, event.Event{Kind: 25000})
		a := alice.Sign(t, event.Event{Kind: 20000})
		b := alice.Sign(t, event.Event{Kind: 29998, Tags: tags([]string{"expiration", "1"})})
		for _, e := range []*event.Event{nobody, a, b} {
			if ok := c.Send(t, e); !ok.OK || ok.Text != "" {
				t.Errorf("NIP01.18: %v %q", ok.OK, ok.Text)
			}
		}
		sameIDs(t, "NIP01.18, NIP40.2", []*event.Event{live.Event(t, "eph"), live.Event(t, "eph")}, a, b)
		live.Quiet(t)
		sameIDs(t, "NIP01.18 stored", c.Query(t, `{"kinds":[20000,25000,29998]}`))
	})
}

// NIP01.1: it is the text that is hashed, however the client has written it.
func TestNIP01EscapesAreWaysToWriteCharacters(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		for text, written := range map[string]string{
			"a/b <&> 1":    `a\/b \u003c\u0026\u003e \u0031`,
			"\u2028 2":     `\u2028 2`,
			"😀 3":          `\ud83d\ude00 3`,
			"\u0000\u001f": `\u0000\u001F`,
			"\b\f\n\r\t":   `\b\f\n\r\t`,
			"\b\f\n\r\t6":  `\u0008\u000c\u000a\u000d\u00096`,
			"é 漢 \u007f":   `\u00e9 漢 \u007f`,
		} {
			e := alice.Note(t, text)
			plain := e.Append(nil)
			own := string(plain[bytes.Index(plain, []byte(`"content":"`)):bytes.Index(plain, []byte(`","sig"`))])
			c.Say(t, "%s", `["EVENT",`+strings.Replace(string(plain), own, `"content":"`+written, 1)+`]`)
			if ok := c.HearOK(t, e.ID.String()); !ok.OK {
				t.Errorf("NIP01.1 %q written as %s: %s", text, written, ok.Text)
				continue
			}
			if got := only(t, c.Query(t, `{"ids":["`+e.ID.String()+`"]}`)); got.Content != text || got.ID != e.ID {
				t.Errorf("NIP01.1 %q came back as %s", text, got.Raw)
			}
		}
	})
}

// NIP01.6, 42: numbers are integers, written as such.
func TestNIP01NumbersAreIntegers(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: anyTime(t)})
	c := r.Dial(t)
	e := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1_700_000_000})
	for _, written := range []string{"1.7e9", "1700000000.0", "1700000000.5", "17e8", "+1700000000", "01700000000", "0x6553f100", "1_700_000_000", "1000000000000000000", "null", "true", "[1]", `"1700000000"`} {
		c.Say(t, "%s", `["EVENT",`+strings.Replace(string(e.Raw), `"created_at":1700000000`, `"created_at":`+written, 1)+`]`)
		if ok := c.Hear(t, wire.OK); ok.OK || ok.Reason() != "invalid" {
			t.Errorf("NIP01.6 %s: %v %q", written, ok.OK, ok.Text)
		}
	}
	last := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1e18 - 1})
	c.Accepted(t, e, last)
	sameIDs(t, "NIP01.6", c.Query(t, `{}`), last, e)
}

// NIP01.15: a d of any length is an address of its own, and finds its event.
func TestNIP01LongDsAreDifferentAddresses(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		long := strings.Repeat("d", 70_000) // beyond what an index key may have
		var all []*event.Event
		for i, d := range []string{long, long + "x", "x" + long, long[:64], long[:65], "\x00", "\x00\x00", "é", "e\u0301"} {
			version := func(at int) *event.Event {
				return alice.Sign(t, event.Event{Kind: 30023, CreatedAt: int64(at), Tags: tags([]string{"d", d})})
			}
			c.Accepted(t, version(1000+i), version(2000+i))
			c.Refused(t, version(1500+i), "duplicate: ")
			all = append([]*event.Event{version(2000 + i)}, all...)
		}
		sameIDs(t, "NIP01.15", c.Query(t, `{"kinds":[30023]}`), all...)
		sameIDs(t, "NIP01.25 by d", c.Query(t, `{"#d":["`+long+`x"]}`), all[len(all)-2])
		c.Accepted(t, deletion(t, alice, 3000, []string{"a", "30023:" + alice.Hex() + ":" + long}))
		sameIDs(t, "NIP09.3 by address", c.Query(t, `{"kinds":[30023]}`), all[:len(all)-1]...)
	})
}
