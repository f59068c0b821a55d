package wire_test

import (
	"errors"
	"strings"
	"testing"

	"moa/nips/wire"
)

// answer is what a client that sent frame gets back, "" if the frame is fine.
func answer(t *testing.T, frame string) string {
	t.Helper()
	_, err := wire.Parse([]byte(frame))
	if err == nil {
		return ""
	}
	e, ok := errors.AsType[*wire.Error](err)
	if !ok {
		t.Fatalf("%s: %T is not an *Error", frame, err)
	}
	out := e.AppendAnswer(nil)
	if _, err := wire.ParseReply(out); err != nil {
		t.Fatalf("%s: answered by %s: %v", frame, out, err)
	}
	return string(out)
}

func TestEveryFrameIsAnsweredByWhatItsSenderUnderstands(t *testing.T) {
	id := strings.Repeat("ab", 32)
	deep := strings.Repeat("[", 100_000)
	for _, c := range []struct{ name, frame, want string }{
		{"NIP01.39 empty", ``, `["NOTICE","invalid: `},
		{"NIP01.39 white space", ` `, `["NOTICE","invalid: `},
		{"NIP01.39 no array", `{"EVENT":1}`, `["NOTICE","invalid: `},
		{"NIP01.39 empty array", `[]`, `["NOTICE","invalid: `},
		{"NIP01.39 unknown verb", `["PUBLISH",{}]`, `["NOTICE","invalid: `},
		{"NIP01.39 verb is a number", `[1]`, `["NOTICE","invalid: `},
		{"NIP01.39 lower-case verb", `["req","a",{}]`, `["NOTICE","invalid: `},
		{"NIP01.39 a relay's verb", `["EOSE","a"]`, `["NOTICE","invalid: `},
		{"NIP01.39 not UTF-8", "[\"\xff\"]", `["NOTICE","invalid: `},
		{"NIP01.42 depth bomb", deep, `["NOTICE","invalid: `},

		{"NIP01 event", `["EVENT",{}]`, ``},
		{"white space everywhere", " [ \"EVENT\"\t,\n{ } \r] ", ``},
		{"escaped verb", `["\u0045VENT",{}]`, ``},
		{"NIP01.8 EVENT without an event", `["EVENT"]`, `["OK","",false,"invalid: `},
		{"NIP01.8 EVENT of something else", `["EVENT","x"]`, `["OK","",false,"invalid: `},
		{"NIP01.8 unclosed EVENT", `["EVENT",{"id":"` + id + `"}`, `["OK","` + id + `",false,"invalid: `},
		{"NIP01.8 AUTH with a challenge", `["AUTH","x"]`, `["OK","",false,"invalid: `},
		{"NIP01.42 depth bomb in EVENT", `["EVENT",` + deep, `["OK","",false,"invalid: `},

		{"NIP01 REQ", `["REQ","a",{}]`, ``},
		{"NIP01.23 two filters", `["REQ","a",{},{"kinds":[1]}]`, ``},
		{"NIP45 COUNT", `["COUNT","a",{}]`, ``},
		{"NIP01.20 no id", `["REQ"]`, `["NOTICE","invalid: `},
		{"NIP01.20 empty id", `["REQ","",{}]`, `["NOTICE","invalid: `},
		{"NIP01.20 id is a number", `["REQ",1,{}]`, `["NOTICE","invalid: `},
		{"NIP01.20 id is null", `["REQ",null,{}]`, `["NOTICE","invalid: `},
		{"NIP01.20 id of 64", `["REQ","` + strings.Repeat("a", 64) + `",{}]`, ``},
		{"NIP01.20 id of 64 long characters", `["REQ","` + strings.Repeat("😀", 64) + `",{}]`, ``},
		{"NIP01.20 id of 64 escapes", `["REQ","` + strings.Repeat(`\ud83d\ude00`, 64) + `",{}]`, ``},
		{"NIP01.20 id of 65", `["REQ","` + strings.Repeat("a", 65) + `",{}]`, `["CLOSED","` + strings.Repeat("a", 65) + `","invalid: `},
		{"NIP01.42 lone surrogate in id", `["REQ","\ud800",{}]`, `["NOTICE","invalid: `},
		{"id not UTF-8", "[\"REQ\",\"\xff\",{}]", `["NOTICE","invalid: `},
		{"id to be escaped", `["REQ","a\"\u0001"]`, `["CLOSED","a\"\u0001","invalid: `},
		{"no filter", `["REQ","a"]`, `["CLOSED","a","invalid: `},
		{"filter is null", `["REQ","a",null]`, `["CLOSED","a","invalid: `},
		{"filter is a list", `["REQ","a",[{}]]`, `["CLOSED","a","invalid: `},
		{"trailing comma", `["REQ","a",{},]`, `["CLOSED","a","invalid: `},
		{"unclosed", `["REQ","a",{}`, `["CLOSED","a","invalid: `},
		{"trailing garbage", `["REQ","a",{}]x`, `["CLOSED","a","invalid: `},
		{"second message", `["REQ","a",{}]["REQ","b",{}]`, `["CLOSED","a","invalid: `},
		{"NIP01.24 short id", `["REQ","a",{"ids":["ab"]}]`, `["CLOSED","a","invalid: `},
		{"NIP01.33 unknown field", `["REQ","a",{"kind":1}]`, `["CLOSED","a","unsupported: `},
		{"NIP01.25 long tag name", `["COUNT","a",{"#ab":["x"]}]`, ``},
		{"NIP01.33 of the second filter", `["REQ","a",{},{"#1":["x"]}]`, `["CLOSED","a","unsupported: filter 2: unknown filter field`},
		{"NIP01.42 duplicate key", `["REQ","a",{"kinds":[1],"kinds":[2]}]`, `["CLOSED","a","invalid: `},
		{"NIP01.42 huge number", `["REQ","a",{"limit":-1e999}]`, `["CLOSED","a","invalid: `},
		{"NIP01.42 depth bomb in REQ", `["REQ","a",` + deep, `["CLOSED","a","invalid: `},
		{"NIP01.42 depth bomb in a filter", `["REQ","a",{"x":` + deep, `["CLOSED","a","invalid: `},
		{"NIP01.20 id of 256", `["REQ","` + strings.Repeat("é", 256) + `",{}]`, `["CLOSED","` + strings.Repeat("é", 256) + `","invalid: `},
		{"NIP01.20 id of 257 is not repeated", `["REQ","` + strings.Repeat("é", 257) + `",{}]`, `["NOTICE","invalid: a subscription id`},
		{"NIP77.1 nor that of a sync", `["NEG-OPEN","` + strings.Repeat("a", 400_000) + `",{},"61"]`, `["NOTICE","invalid: a subscription id`},
		{"256 filters", `["REQ","a"` + strings.Repeat(`,{}`, 256) + `]`, ``},
		{"257 filters", `["REQ","a"` + strings.Repeat(`,{}`, 257) + `]`, `["CLOSED","a","invalid: `},

		{"NIP01.37 CLOSE", `["CLOSE","a"]`, ``},
		{"CLOSE without id", `["CLOSE"]`, `["NOTICE","invalid: `},
		{"CLOSE with more", `["CLOSE","a",1]`, `["NOTICE","invalid: `},

		{"NIP77.1 NEG-OPEN", `["NEG-OPEN","n",{},"61"]`, ``},
		{"NDK's NEG-OPEN", `["NEG-OPEN","n",[{}],"61"]`, ``},
		{"NEG-OPEN with two filters", `["NEG-OPEN","n",[{},{}],"61"]`, `["NEG-ERR","n","invalid: `},
		{"NEG-OPEN with none", `["NEG-OPEN","n",[],"61"]`, `["NEG-ERR","n","invalid: `},
		{"NEG-OPEN without message", `["NEG-OPEN","n",{}]`, `["NEG-ERR","n","invalid: `},
		{"NEG-OPEN of an unknown field", `["NEG-OPEN","n",{"x":1},"61"]`, `["NEG-ERR","n","unsupported: `},
		{"NEG-MSG", `["NEG-MSG","n","61"]`, ``},
		{"NEG-MSG without message", `["NEG-MSG","n"]`, `["NEG-ERR","n","invalid: `},
		{"NEG-CLOSE", `["NEG-CLOSE","n"]`, ``},
	} {
		got := answer(t, c.frame)
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%s: answered by %.200s", c.name, got)
		}
	}
}

func TestAMessageKeepsNothingOfItsFrameButTheEvent(t *testing.T) {
	for _, text := range []string{`["REQ","sub",{"#t":["x"]}]`, `["NEG-OPEN","sub",{"#t":["x"]},"61"]`} {
		frame := []byte(text)
		m, err := wire.Parse(frame)
		if err != nil {
			t.Fatal(err)
		}
		clear(frame)
		if m.SubID != "sub" || m.Filters[0].Tags[0].Values[0] != "x" || m.Verb == wire.NegOpen && m.Neg != "61" {
			t.Errorf("%s became %+v", text, m)
		}
	}
	m, err := wire.Parse([]byte(" [ \"EVENT\" ,\n{ \"a\" : [1] } ]\t"))
	if err != nil || string(m.Event) != `{ "a" : [1] }` {
		t.Errorf("%s, %v", m.Event, err)
	}
}

func TestVerbs(t *testing.T) {
	for frame, want := range map[string]wire.Verb{
		`["EVENT",{}]`: wire.Event, `["REQ","a",{}]`: wire.Req, `["COUNT","a",{}]`: wire.Count, `["CLOSE","a"]`: wire.Close, `["AUTH",{}]`: wire.Auth,
		`["NEG-OPEN","a",{},""]`: wire.NegOpen, `["NEG-MSG","a",""]`: wire.NegMsg, `["NEG-CLOSE","a"]`: wire.NegClose,
	} {
		m, err := wire.Parse([]byte(frame))
		if err != nil || m.Verb != want || !strings.HasPrefix(frame, `["`+want.String()+`"`) {
			t.Errorf("%s: %v, %v", frame, m.Verb, err)
		}
		if v := wire.VerbOf([]byte(frame)); v != want || v.Asks() != strings.Contains("REQ COUNT NEG-OPEN NEG-MSG", v.String()) {
			t.Errorf("%s: %v, asks %v", frame, v, v.Asks())
		}
	}
	for _, frame := range []string{"", "x", "[", `["`, `["X"]`, `{"REQ"}`} {
		if v := wire.VerbOf([]byte(frame)); v != wire.Unknown || v.Asks() {
			t.Errorf("%q: %v", frame, v)
		}
	}
}
