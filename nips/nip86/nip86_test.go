package nip86_test

import (
	"encoding/json"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/nip86"
)

const hex64 = "79be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798"

// NIP86.4: every method, by its parameters.
func TestEveryMethodIsRead(t *testing.T) {
	pk, _ := event.ParsePubKey(hex64)
	id, _ := event.ParseID(hex64)
	all := nip86.Options{Limit: nip86.MaxPage}
	color, order := 120, -2
	role := nip86.Role{ID: "vip", Label: "VIP", Description: "dear", Color: &color, Order: &order}
	for _, c := range []struct {
		body string
		want nip86.Call
	}{
		{`{"method":"supportedmethods","params":[]}`, nip86.Call{}},
		{`{"method":"supportedmethods"}`, nip86.Call{}},
		{`{"method":"supportedmethods","params":null}`, nip86.Call{}},
		{`{"method":"banpubkey","params":["HEX","spam"]}`, nip86.Call{PubKey: pk, Reason: "spam"}},
		{`{"method":"banpubkey","params":["HEX"]}`, nip86.Call{PubKey: pk}},
		{`{"method":"banpubkey","params":["HEX",null]}`, nip86.Call{PubKey: pk}},
		{`{"method":"banpubkey","params":["HEX",{"erase":true}]}`, nip86.Call{PubKey: pk, Options: nip86.Options{Erase: true, Limit: nip86.MaxPage}}},
		{`{"method":"banpubkey","params":["HEX","spam", {"erase":true}]}`, nip86.Call{PubKey: pk, Reason: "spam", Options: nip86.Options{Erase: true, Limit: nip86.MaxPage}}},
		{`{"method":"unbanpubkey","params":["HEX","sorry"]}`, nip86.Call{PubKey: pk, Reason: "sorry"}},
		{`{"method":"listbannedpubkeys","params":[]}`, nip86.Call{}},
		{`{"method":"listbannedpubkeys","params":[{"limit":10,"after":"abc"}]}`, nip86.Call{Options: nip86.Options{Limit: 10, After: "abc"}}},
		{`{"method":"allowpubkey","params":["HEX"]}`, nip86.Call{PubKey: pk}},
		{`{"method":"unallowpubkey","params":["HEX"]}`, nip86.Call{PubKey: pk}},
		{`{"method":"listallowedpubkeys","params":[]}`, nip86.Call{}},
		{`{"method":"createrole","params":["vip","VIP","dear",120,-2]}`, nip86.Call{Role: role}},
		{`{"method":"editrole","params":["vip","VIP","dear",120,-2]}`, nip86.Call{Role: role}},
		{`{"method":"deleterole","params":["vip"]}`, nip86.Call{Role: nip86.Role{ID: "vip"}}},
		{`{"method":"assignrole","params":["HEX","vip"]}`, nip86.Call{PubKey: pk, Role: nip86.Role{ID: "vip"}}},
		{`{"method":"unassignrole","params":["HEX","vip"]}`, nip86.Call{PubKey: pk, Role: nip86.Role{ID: "vip"}}},
		{`{"method":"listeventsneedingmoderation","params":[]}`, nip86.Call{}},
		{`{"method":"allowevent","params":["HEX","fine"]}`, nip86.Call{ID: id, Reason: "fine"}},
		{`{"method":"banevent","params":["HEX","bad"]}`, nip86.Call{ID: id, Reason: "bad"}},
		{`{"method":"unbanevent","params":["HEX"]}`, nip86.Call{ID: id}},
		{`{"method":"listbannedevents","params":[]}`, nip86.Call{}},
		{`{"method":"changerelayname","params":["Nest"]}`, nip86.Call{Text: "Nest"}},
		{`{"method":"changerelaydescription","params":["two\nlines"]}`, nip86.Call{Text: "two\nlines"}},
		{`{"method":"changerelayicon","params":["https://example.com/a.png"]}`, nip86.Call{Text: "https://example.com/a.png"}},
		{`{"method":"changerelayicon","params":[""]}`, nip86.Call{}},
		{`{"method":"resetsetting","params":["name"]}`, nip86.Call{Text: "name"}},
		{`{"method":"allowkind","params":[1]}`, nip86.Call{Kind: 1}},
		{`{"method":"disallowkind","params":[65535]}`, nip86.Call{Kind: 65535}},
		{`{"method":"listallowedkinds","params":[]}`, nip86.Call{}},
		{`{"method":"listdisallowedkinds","params":[]}`, nip86.Call{}},
		{`{"method":"blockip","params":["203.0.113.7","scans"]}`, nip86.Call{Prefix: netip.MustParsePrefix("203.0.113.7/32"), Reason: "scans"}},
		{`{"method":"blockip","params":["203.0.113.7/24"]}`, nip86.Call{Prefix: netip.MustParsePrefix("203.0.113.0/24")}},
		{`{"method":"blockip","params":["::ffff:203.0.113.7"]}`, nip86.Call{Prefix: netip.MustParsePrefix("203.0.113.7/32")}},
		{`{"method":"blockip","params":["::ffff:203.0.113.0/120"]}`, nip86.Call{Prefix: netip.MustParsePrefix("203.0.113.0/24")}},
		{`{"method":"blockip","params":["2001:db8::1"]}`, nip86.Call{Prefix: netip.MustParsePrefix("2001:db8::1/128")}},
		{`{"method":"unblockip","params":["2001:db8::/48"]}`, nip86.Call{Prefix: netip.MustParsePrefix("2001:db8::/48")}},
		{`{"method":"listblockedips","params":[{}]}`, nip86.Call{}},
	} {
		got, err := nip86.Parse([]byte(strings.ReplaceAll(c.body, "HEX", hex64)))
		if err != nil {
			t.Errorf("%s: %v", c.body, err)
			continue
		}
		c.want.Method = got.Method
		if c.want.Options == (nip86.Options{}) {
			c.want.Options = all
		}
		if !reflect.DeepEqual(*got, c.want) || !strings.Contains(c.body, `"`+got.Name+`"`) {
			t.Errorf("%s: read as %+v", c.body, got)
		}
	}
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	for _, c := range []struct{ body, says string }{
		{``, "the request is not"},
		{`[]`, "the request is not"},
		{`{"method":1}`, "the request is not"},
		{`{"method":"banpubkey","params":{}}`, "the request is not"},
		{"{\"method\":\"changerelayname\",\"params\":[\"\xff\"]}", "not UTF-8"},
		{`{"params":[]}`, "no such method"},
		{`{"method":"signevent","params":[{}]}`, "no such method"},
		{`{"method":"supportedmethods","params":[1]}`, "has 1 parameters"},
		{`{"method":"banpubkey","params":[]}`, "wants: banpubkey PUBKEY [REASON]"},
		{`{"method":"banpubkey","params":[{"erase":true}]}`, "want a string"},
		{`{"method":"banpubkey","params":["HEX","a","b"]}`, "has 3 parameters"},
		{`{"method":"banpubkey","params":["HEX","a","b",{}]}`, "has 3 parameters"},
		{`{"method":"banpubkey","params":[7]}`, "pubkey: want a string"},
		{`{"method":"banpubkey","params":[null]}`, "pubkey: want a string"},
		{`{"method":"banpubkey","params":["abc"]}`, "64 lower-case hex"},
		{`{"method":"banpubkey","params":["HEX",7]}`, "reason: want a string"},
		{`{"method":"banpubkey","params":["HEX","a",{"erase":1}]}`, "want true or false"},
		{`{"method":"banpubkey","params":["HEX","a",{"limit":1}]}`, `no option "limit"`},
		{`{"method":"unbanpubkey","params":["HEX",{"erase":true}]}`, "reason: want a string"},
		{`{"method":"listbannedpubkeys","params":[{"limit":0}]}`, "from 1 to 1000"},
		{`{"method":"listbannedpubkeys","params":[{"limit":1001}]}`, "from 1 to 1000"},
		{`{"method":"listbannedpubkeys","params":[{"limit":"9"}]}`, "want an integer"},
		{`{"method":"listbannedpubkeys","params":[{"after":9}]}`, "want a string"},
		{`{"method":"banevent","params":["zz"]}`, "id of an event"},
		{`{"method":"allowkind","params":["1"]}`, "integer from 0 to 65535"},
		{`{"method":"allowkind","params":[-1]}`, "integer from 0 to 65535"},
		{`{"method":"allowkind","params":[65536]}`, "integer from 0 to 65535"},
		{`{"method":"allowkind","params":[1.5]}`, "integer from 0 to 65535"},
		{`{"method":"allowkind","params":[null]}`, "integer from 0 to 65535"},
		{`{"method":"createrole","params":["a","b","c",1,"e"]}`, "order: want an integer"},
		{`{"method":"createrole","params":["a","b","c","#fff"]}`, "color: want an integer"},
		{`{"method":"blockip","params":["203.0.113"]}`, "want an IP address"},
		{`{"method":"blockip","params":["203.0.113.0/33"]}`, "want an IP address"},
		{`{"method":"blockip","params":["fe80::1%eth0"]}`, "want an IP address"},
		{`{"method":"blockip","params":["::ffff:0:0/80"]}`, "want an IP address"},
		{`{"method":"changerelayname","params":[]}`, "wants: changerelayname NAME"},
		{`{"method":"changerelayname","params":[null]}`, "want a string"},
		{`{"method":"changerelayname","params":["` + strings.Repeat("n", nip86.MaxText+1) + `"]}`, "more than 4096"},
		{`{"method":"changerelayicon","params":["javascript:alert(1)"]}`, "want a URL"},
		{`{"method":"changerelayicon","params":["https://"]}`, "want a URL"},
	} {
		_, err := nip86.Parse([]byte(strings.ReplaceAll(c.body, "HEX", hex64)))
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%.100s: %v", c.body, err)
		}
	}
	if _, err := nip86.Parse([]byte(`{"method":"fly"}`)); !errors.Is(err, nip86.ErrMethod) {
		t.Error(err)
	}
}

func TestAnswersAreRead(t *testing.T) {
	good, err := nip86.AppendResult(nil, []nip86.AddressReason{{IP: "203.0.113.0/24", Reason: "a \"b\""}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ body, result, error string }{
		{string(good), `[{"ip":"203.0.113.0/24","reason":"a \"b\""}]`, ""},
		{string(nip86.AppendError(nil, `no "x"`)), "", `no "x"`},
		{"{\"result\":null,\"error\":\"e\"}\n", "null", "e"},
	} {
		r, err := nip86.ParseResponse([]byte(c.body))
		if err != nil || string(r.Result) != c.result || r.Error != c.error {
			t.Errorf("%s: %s, %q, %v", c.body, r.Result, r.Error, err)
		}
	}
	if _, err := nip86.ParseResponse([]byte("<html>")); err == nil {
		t.Error("a page was taken for an answer")
	}
}

// What Parse accepts names a method of the list, and what its parameters hold is within
// the bounds; what it refuses, it refuses with a text that fits into an answer.
func FuzzParse(f *testing.F) {
	for _, m := range nip86.Methods() {
		f.Add([]byte(`{"method":"` + m.Name + `","params":["` + hex64 + `","a",{"limit":1}]}`))
		f.Add([]byte(`{"method":"` + m.Name + `","params":["203.0.113.0/24"]}`))
		f.Add([]byte(`{"method":"` + m.Name + `","params":[1]}`))
		f.Add([]byte(`{"method":"` + m.Name + `"}`))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		c, err := nip86.Parse(body)
		if err != nil {
			var answer nip86.Response
			if json.Unmarshal(nip86.AppendError(nil, err.Error()), &answer) != nil || answer.Error == "" || len(answer.Error) > 1000 {
				t.Errorf("%q: %v", body, err)
			}
			return
		}
		if m, ok := nip86.Find(c.Name); !ok || m != c.Method {
			t.Errorf("%q is the method %v", body, c.Method)
		}
		if c.Options.Limit < 1 || c.Options.Limit > nip86.MaxPage || len(c.Text) > nip86.MaxText || len(c.Reason) > nip86.MaxText || len(c.Role.ID) > nip86.MaxText {
			t.Errorf("%q is out of bounds: %+v", body, c)
		}
		if c.Prefix.IsValid() && c.Prefix != c.Prefix.Masked() {
			t.Errorf("%q: %v", body, c.Prefix)
		}
	})
}
