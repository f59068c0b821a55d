package wire_test

import (
	"reflect"
	"testing"

	"moa/nips/reason"
	"moa/nips/wire"
)

var replies = []struct {
	frame string
	want  *wire.Reply // nil: an error
}{
	{`["EVENT","a",{"id":"x"}]`, &wire.Reply{Verb: wire.Event, SubID: "a", Event: []byte(`{"id":"x"}`)}},
	{` [ "EVENT" , "a" , {"id":"x"} ] `, &wire.Reply{Verb: wire.Event, SubID: "a", Event: []byte(`{"id":"x"}`)}},
	{`["EVENT","a"]`, nil},
	{`["EVENT",{}]`, nil},
	{`["EOSE","a"]`, &wire.Reply{Verb: wire.EOSE, SubID: "a"}},
	{`["EOSE","a",[]]`, &wire.Reply{Verb: wire.EOSE, SubID: "a"}},
	{`["EOSE","a",["finish","x"]]`, &wire.Reply{Verb: wire.EOSE, SubID: "a", Hints: []string{"finish", "x"}}},
	{`["EOSE","a",[1]]`, nil},
	{`["EOSE"]`, nil},
	{`["OK","i",true,""]`, &wire.Reply{Verb: wire.OK, ID: "i", OK: true}},
	{`["OK","i",true]`, &wire.Reply{Verb: wire.OK, ID: "i", OK: true}},
	{`["OK","i",false,"pow: more"]`, &wire.Reply{Verb: wire.OK, ID: "i", Text: "pow: more"}},
	{`["OK","i","true",""]`, nil},
	{`["OK","i",1,""]`, nil},
	{`["CLOSED","a","error: x"]`, &wire.Reply{Verb: wire.Closed, SubID: "a", Text: "error: x"}},
	{`["CLOSED","a"]`, &wire.Reply{Verb: wire.Closed, SubID: "a"}},
	{`["NOTICE","x"]`, &wire.Reply{Verb: wire.Notice, Text: "x"}},
	{`["NOTICE"]`, nil},
	{`["AUTH","x"]`, &wire.Reply{Verb: wire.Auth, Text: "x"}},
	{`["COUNT","a",{"count":3}]`, &wire.Reply{Verb: wire.Count, SubID: "a", Count: 3}},
	{`["COUNT","a",{"hll":"00","x":{},"approximate":true,"count":3}]`, &wire.Reply{Verb: wire.Count, SubID: "a", Count: 3, Approximate: true, HLL: "00"}},
	{`["COUNT","a",{}]`, nil},
	{`["COUNT","a",{"count":-1}]`, nil},
	{`["NEG-MSG","n","61"]`, &wire.Reply{Verb: wire.NegMsg, SubID: "n", Text: "61"}},
	{`["NEG-ERR","n","blocked: x",500]`, &wire.Reply{Verb: wire.NegErr, SubID: "n", Text: "blocked: x"}},
	{`["REQ","a",{}]`, nil},
	{`["NOTICE","x"]x`, nil},
	{`["NOTICE","x"`, nil},
	{`{}`, nil},
	{``, nil},
}

func TestParseReply(t *testing.T) {
	for _, c := range replies {
		got, err := wire.ParseReply([]byte(c.frame))
		if c.want == nil {
			if err == nil {
				t.Errorf("%s is read as %+v", c.frame, got)
			}
			continue
		}
		if err != nil || !reflect.DeepEqual(got, *c.want) {
			t.Errorf("%s is read as %+v, %v", c.frame, got, err)
		}
	}
}

func TestReplyReason(t *testing.T) {
	r, err := wire.ParseReply(wire.AppendOK(nil, "i", false, reason.RateLimited, "slow down"))
	if err != nil || r.Reason() != reason.RateLimited {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestExactForms(t *testing.T) {
	for _, c := range []struct{ name, got, want string }{
		{"NIP01.7 four elements", string(wire.AppendOK(nil, "i", true, "", "")), `["OK","i",true,""]`},
		{"NIP01.7 prefix", string(wire.AppendOK(nil, "i", false, reason.Invalid, `a "b"`)), `["OK","i",false,"invalid: a \"b\""]`},
		{"NIP01.36", string(wire.AppendClosed(nil, "s", reason.RateLimited, "x")), `["CLOSED","s","rate-limited: x"]`},
		{"NIP45.1", string(wire.AppendCount(nil, "s", 0, false)), `["COUNT","s",{"count":0}]`},
		{"NIP45.3", string(wire.AppendCount(nil, "s", 5, true)), `["COUNT","s",{"count":5,"approximate":true}]`},
		{"NIP67.1 none", string(wire.AppendEOSE(nil, "s", wire.HintNone)), `["EOSE","s"]`},
		{"NIP67.1", string(wire.AppendEOSE(nil, "s", wire.HintFinish)), `["EOSE","s",["finish"]]`},
		{"NIP77.2", string(wire.AppendNegErr(nil, "n", reason.Blocked, "too many", 500)), `["NEG-ERR","n","blocked: too many",500]`},
		{"no HTML escapes", string(wire.AppendNotice(nil, "<&>\u2028")), "[\"NOTICE\",\"<&>\u2028\"]"},
		{"controls", string(wire.AppendNotice(nil, "\x00\x1f\n")), `["NOTICE","\u0000\u001f\n"]`},
		{"joined", string(wire.AppendEventHead(nil, "s")) + `{}` + wire.EventTail, string(wire.AppendEvent(nil, "s", []byte(`{}`)))},
	} {
		if c.got != c.want {
			t.Errorf("%s: %s", c.name, c.got)
		}
	}
}
