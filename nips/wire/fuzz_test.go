package wire_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"moa/nips/reason"
	"moa/nips/wire"
)

// A frame is left as it was; it is either read, within the bounds, or answered
// by one JSON array that a client can read; and what is read is JSON, if the
// object of an EVENT is.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`["EVENT",{"id":"x"}]`, ` [ "AUTH" , { } ] `, `["REQ","a",{"kinds":[1]},{}]`, `["COUNT","\u00e9",{}]`, `["CLOSE","a"]`,
		`["NEG-OPEN","n",[{}],"61"]`, `["NEG-MSG","n","61"]`, `["NEG-CLOSE","n"]`, `["REQ","a",{"x":1}]`, `["REQ","",{}]`,
		`["EVENT",{"id":"` + strings.Repeat("ab", 32) + `"}`, `["EOSE","a"]`, `[[`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		before := bytes.Clone(frame)
		m, err := wire.Parse(frame)
		if !bytes.Equal(before, frame) {
			t.Fatal("the frame was changed")
		}
		if err != nil {
			e, ok := errors.AsType[*wire.Error](err)
			if !ok {
				t.Fatalf("%T is not an *Error", err)
			}
			answer := e.AppendAnswer(nil)
			if _, err := wire.ParseReply(answer); err != nil || !json.Valid(answer) {
				t.Fatalf("answered by %s: %v", answer, err)
			}
			return
		}
		switch m.Verb {
		case wire.Event, wire.Auth:
			if json.Valid(m.Event) && !json.Valid(frame) {
				t.Fatalf("%s of %s, which is not JSON", m.Event, frame)
			}
			return
		case wire.Req, wire.Count, wire.NegOpen:
			if n := len(m.Filters); n == 0 || n > wire.MaxFilters || m.Verb == wire.NegOpen && n > 1 {
				t.Fatalf("%d filters", n)
			}
		}
		if n := utf8.RuneCountInString(m.SubID); n == 0 || n > wire.MaxSubID || !utf8.ValidString(m.SubID) {
			t.Fatalf("subscription id %q", m.SubID)
		}
		if !json.Valid(frame) {
			t.Fatalf("%s is not JSON", frame)
		}
	})
}

// What Append functions write is JSON, and ParseReply reads what was meant.
func FuzzReplies(f *testing.F) {
	f.Add("sub", "text", 7, true)
	f.Add("\x00\"\\\u2028", "duplicate: \n😀", -1, false)
	f.Fuzz(func(t *testing.T, id, text string, n int, yes bool) {
		if !utf8.ValidString(id) || !utf8.ValidString(text) {
			return
		}
		raw := []byte(`{"id":"x"}`)
		check := func(frame []byte, want wire.Reply) {
			t.Helper()
			got, err := wire.ParseReply(frame)
			if err != nil || !json.Valid(frame) || !reflect.DeepEqual(got, want) {
				t.Fatalf("%s is read as %+v (%v), not as %+v", frame, got, err, want)
			}
		}
		count := max(min(n, 1e17), 0)
		check(wire.AppendEvent(nil, id, raw), wire.Reply{Verb: wire.Event, SubID: id, Event: raw})
		check(wire.AppendOK(nil, id, yes, "", text), wire.Reply{Verb: wire.OK, ID: id, OK: yes, Text: text})
		check(wire.AppendOK(nil, id, yes, reason.PoW, text), wire.Reply{Verb: wire.OK, ID: id, OK: yes, Text: "pow: " + text})
		check(wire.AppendEOSE(nil, id, wire.HintNone), wire.Reply{Verb: wire.EOSE, SubID: id})
		check(wire.AppendEOSE(nil, id, wire.HintFinish), wire.Reply{Verb: wire.EOSE, SubID: id, Hints: []string{"finish"}})
		check(wire.AppendClosed(nil, id, reason.Error, text), wire.Reply{Verb: wire.Closed, SubID: id, Text: "error: " + text})
		check(wire.AppendNotice(nil, text), wire.Reply{Verb: wire.Notice, Text: text})
		check(wire.AppendAuth(nil, text), wire.Reply{Verb: wire.Auth, Text: text})
		check(wire.AppendCount(nil, id, count, yes), wire.Reply{Verb: wire.Count, SubID: id, Count: int64(count), Approximate: yes})
		check(wire.AppendCountHLL(nil, id, count, yes, text), wire.Reply{Verb: wire.Count, SubID: id, Count: int64(count), Approximate: yes, HLL: text})
		check(wire.AppendNegMsg(nil, id, text), wire.Reply{Verb: wire.NegMsg, SubID: id, Text: text})
		check(wire.AppendNegErr(nil, id, reason.Closed, text, 0), wire.Reply{Verb: wire.NegErr, SubID: id, Text: "closed: " + text})
		check(wire.AppendNegErr(nil, id, reason.Blocked, text, count), wire.Reply{Verb: wire.NegErr, SubID: id, Text: "blocked: " + text})
	})
}

// Whatever a relay sends, ParseReply does not panic, and takes no more than JSON.
func FuzzParseReply(f *testing.F) {
	for _, s := range replies {
		f.Add([]byte(s.frame))
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		r, err := wire.ParseReply(frame)
		if err == nil && r.Verb != wire.Event && utf8.Valid(frame) && !json.Valid(frame) {
			t.Fatalf("%s is not JSON", frame)
		}
	})
}
