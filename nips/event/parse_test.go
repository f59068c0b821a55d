package event_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
)

var (
	pubKey = strings.Repeat("ab", 32)
	sig    = strings.Repeat("cd", 64)
)

// with returns an event's JSON whose id is right, with fields of that JSON.
func with(t testing.TB, createdAt, kind, tags, content string) string {
	t.Helper()
	raw := fmt.Sprintf(`{"id":"%064d","pubkey":"%s","created_at":%s,"kind":%s,"tags":%s,"content":%s,"sig":"%s"}`,
		0, pubKey, createdAt, kind, tags, content, sig)
	e, err := event.ParseTrusted([]byte(raw))
	if err != nil {
		t.Fatalf("%v: %s", err, raw)
	}
	return strings.Replace(raw, fmt.Sprintf("%064d", 0), event.ComputeID(e).String(), 1)
}

func plain(t testing.TB) string { return with(t, "1700000000", "1", `[["t","x"]]`, `"hello"`) }

func TestIDsAreHashedAsNIP01Says(t *testing.T) {
	for _, c := range []struct{ name, content, want string }{
		{"short escapes", `"\n\"\\\r\t\b\f"`, "\n\"\\\r\t\b\f"},
		{"what encoding/json escapes", "\"<>&\u2028\u2029\"", "<>&\u2028\u2029"},
		{"the same, escaped by the client", `"\u003c\u003e\u0026\u2028\u2029\/"`, "<>&\u2028\u2029/"},
		{"emoji", `"😀"`, "😀"},
		{"emoji, escaped", `"\ud83d\ude00"`, "😀"},
		{"U+007F", "\"\x7f\"", "\x7f"},
		{"U+007F, escaped", `"\u007f"`, "\x7f"},
		{"U+FFFE, U+FFFD", "\"\ufffe\ufffd\"", "\ufffe\ufffd"},
		{"letters, escaped", `"\u0041\u00e9"`, "Aé"},
	} {
		raw := with(t, "1700000000", "1", `[["x",`+c.content+`]]`, c.content)
		e, err := event.Parse([]byte(raw))
		if err != nil || e.Content != c.want || e.Tags[0][1] != c.want {
			t.Errorf("NIP01.1 %s: %v, %v", c.name, err, e)
			continue
		}
		theirs := nostr.Event{PubKey: pubKey, CreatedAt: 1700000000, Kind: 1, Tags: nostr.Tags{{"x", c.want}}, Content: c.want}
		if theirs.GetID() != e.ID.String() {
			t.Errorf("NIP01.1 %s: go-nostr's id is %s", c.name, theirs.GetID())
		}
	}
}

func TestControlCharactersAreHashedEitherWay(t *testing.T) {
	verbatim := with(t, "1", "1", `[["x","\u0000"]]`, `"\u0001\n"`)
	e, err := event.Parse([]byte(verbatim))
	if err != nil || e.Content != "\x01\n" || e.Tags[0][1] != "\x00" {
		t.Fatalf("NIP01.1 verbatim: %v", err)
	}
	theirs := nostr.Event{PubKey: pubKey, CreatedAt: 1, Kind: 1, Tags: nostr.Tags{{"x", "\x00"}}, Content: "\x01\n"}
	escaped := strings.Replace(verbatim, e.ID.String(), theirs.GetID(), 1)
	if escaped == verbatim {
		t.Fatal("go-nostr hashes verbatim now")
	}
	if _, err := event.Parse([]byte(escaped)); err != nil {
		t.Errorf("NIP01.1 as libraries do: %v", err)
	}
}

func TestWhatIsNoEvent(t *testing.T) {
	good := plain(t)
	change := func(old, new string) string {
		out := strings.Replace(good, old, new, 1)
		if out == good {
			t.Fatalf("%s is not in %s", old, good)
		}
		return out
	}
	id := good[7:71]
	for _, c := range []struct{ name, raw, want string }{
		{"NIP01.2 bad id", change(id, strings.Repeat("0", 64)), "id does not match"},
		{"NIP01.2 upper-case id", change(id, strings.ToUpper(id)), "id: not 64"},
		{"NIP01.2 upper-case pubkey", change(pubKey, strings.ToUpper(pubKey)), "pubkey: not 64"},
		{"NIP01.2 upper-case sig", change(sig, strings.ToUpper(sig)), "sig: not 128"},
		{"NIP01.2 short id", change(id, id[1:]), "id: not 64"},
		{"NIP01.2 long pubkey", change(pubKey, pubKey+"a"), "pubkey: not 64"},
		{"NIP01.2 short sig", change(sig, sig[2:]), "sig: not 128"},
		{"NIP01.2 id is null", change(`"`+id+`"`, "null"), "id: not valid"},
		{"NIP01.3 kind 65536", change(`"kind":1`, `"kind":65536`), "kind: not a whole"},
		{"NIP01.3 kind -1", change(`"kind":1`, `"kind":-1`), "kind: not a whole"},
		{"NIP01.3 kind 1.5", change(`"kind":1`, `"kind":1.5`), "kind: not a whole"},
		{"NIP01.3 kind \"1\"", change(`"kind":1`, `"kind":"1"`), "kind: not a whole"},
		{"NIP01.3 kind 2^64+1", change(`"kind":1`, `"kind":18446744073709551617`), "kind: not a whole"},
		{"NIP01.4 empty tag", change(`[["t","x"]]`, `[[]]`), "tags: a tag is empty"},
		{"NIP01.4 empty tag among others", change(`[["t","x"]]`, `[["t","x"],[],["t"]]`), "tags: a tag is empty"},
		{"NIP01.4 number in a tag", change(`"x"`, `1`), "not a string"},
		{"NIP01.4 null in a tag", change(`"x"`, `null`), "not a string"},
		{"NIP01.4 list in a tag", change(`"x"`, `[]`), "not a string"},
		{"NIP01.4 tag is a string", change(`["t","x"]`, `"t"`), "not an array"},
		{"NIP01.4 tags is null", change(`[["t","x"]]`, `null`), "not an array"},
		{"NIP01.4 tags is an object", change(`[["t","x"]]`, `{}`), "not an array"},
		{"NIP01.4 trailing comma", change(`"x"`, `"x",`), "not a string"},
		{"NIP01.6 created_at -1", change("1700000000", "-1"), "created_at: not a whole"},
		{"NIP01.6 created_at 1.5", change("1700000000", "1.5"), "created_at: not a whole"},
		{"NIP01.6 created_at 1e9", change("1700000000", "1e9"), "created_at: not a whole"},
		{"NIP01.6 created_at null", change("1700000000", "null"), "created_at: not a whole"},
		{"NIP01.6 created_at 2^64", change("1700000000", "18446744073709551616"), "created_at: not a whole"},
		{"content is null", change(`"hello"`, `null`), "content: not valid"},
		{"content has a raw line end", change(`hello`, "a\nb"), "control character"},
		{"no sig", change(`,"sig":"`+sig+`"`, ""), `"sig" is missing`},
		{"no tags", change(`"tags":[["t","x"]],`, ""), `"tags" is missing`},
		{"empty", ``, "object"},
		{"an array", `[]`, "object"},
		{"an empty object", `{}`, "is missing"},
		{"NIP01.42 duplicate key", change(`"kind":1`, `"kind":1,"kind":1`), `"kind" is given twice`},
		{"NIP01.42 duplicate key, escaped", change(`"kind":1`, `"kind":1,"k\u0069nd":1`), `"kind" is given twice`},
		{"NIP01.42 duplicate tags", change(`"content"`, `"tags":[],"content"`), `"tags" is given twice`},
		{"NIP01.42 lone surrogate", change("hello", `\ud800`), "bad escape"},
		{"NIP01.42 not UTF-8", change("hello", "\xff"), "UTF-8"},
		{"NIP01.42 not UTF-8 in a field of its own", change(`{`, "{\"x\":\"\xff\","), "UTF-8"},
		{"NIP01.42 depth bomb", change(`{`, `{"x":`+strings.Repeat("[", 100_000)), "nested"},
		{"NIP01.42 depth bomb in tags", change(`[["t"`, strings.Repeat("[", 100_000)), "not a string"},
		{"trailing garbage", good + "x", "something follows"},
		{"two events", good + good, "something follows"},
		{"cut off", good[:len(good)-1], "not valid JSON"},
		{"cut off in the content", good[:strings.Index(good, "hello")+2], "not valid JSON"},
		{"trailing comma", good[:len(good)-1] + ",}", "not valid JSON"},
	} {
		e, err := event.Parse([]byte(c.raw))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, %v", c.name, err, e)
		}
	}
}

func TestWhatIsAnEvent(t *testing.T) {
	for _, c := range []struct{ name, raw string }{
		{"NIP01.3 kind 0", with(t, "1", "0", "[]", `""`)},
		{"NIP01.3 kind 65535", with(t, "1", "65535", "[]", `""`)},
		{"NIP01.4 empty strings in a tag", with(t, "1", "1", `[[""],["",""]]`, `""`)},
		{"NIP01.6 created_at 0", with(t, "0", "1", "[]", `""`)},
		{"NIP01.6 created_at above 2^32", with(t, "4294967297", "1", "[]", `""`)},
		{"NUL", with(t, "1", "1", `[["\u0000"]]`, `"\u0000"`)},
	} {
		e, err := event.Parse([]byte(c.raw))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if string(e.Raw) != c.raw {
			t.Errorf("%s: stored as %s", c.name, e.Raw)
		}
		if c.name == "NIP01.6 created_at above 2^32" && e.CreatedAt != 1<<32+1 {
			t.Errorf("%s: %d", c.name, e.CreatedAt)
		}
	}
}

func TestRawHasTheSevenKeysAndNoSpace(t *testing.T) {
	good := plain(t)
	for _, c := range []struct{ name, raw string }{
		{"NIP01.5 unknown field", strings.Replace(good, `{`, `{"x":{"id":1,"tags":[]},`, 1)},
		{"NIP01.5 unknown field twice", strings.Replace(good, `{`, `{"x":1,"x":2,`, 1)},
		{"NIP01.5 field of another case", strings.Replace(good, `{`, `{"ID":1,`, 1)},
		{"white space everywhere", strings.NewReplacer(`{`, " {\n", `:`, "\t:\r ", `,`, " , ", `[`, "[ ", `]`, " ]", `}`, " } ").Replace(good)},
		{"escaped key", strings.Replace(good, `"kind"`, `"k\u0069nd"`, 1)},
		{"escaped hex", strings.Replace(good, `"ab`, `"\u0061b`, 1)},
	} {
		e, err := event.Parse([]byte(c.raw))
		if err != nil || string(e.Raw) != good {
			t.Errorf("%s: %v, %s", c.name, err, e.Raw)
		}
	}
}

func TestKeysInAnyOrderStayAsTheyAre(t *testing.T) {
	good := plain(t)
	cut := strings.Index(good, `"sig"`)
	raw := "{" + good[cut:len(good)-1] + "," + good[1:cut-1] + "}"
	if e, err := event.Parse([]byte(raw)); err != nil || string(e.Raw) != raw {
		t.Errorf("%v, %s", err, e.Raw)
	}
}

// A tag that is no time is no expiration, and the event is one all the same.
func TestExpiration(t *testing.T) {
	for _, c := range []struct {
		name, tags string
		want       int64
	}{
		{"none", `[["e","x"]]`, 0},
		{"a time", `[["expiration","1700000001"]]`, 1700000001},
		{"0 is long past", `[["expiration","0"]]`, 1},
		{"the first decides", `[["expiration","5"],["expiration","7"]]`, 5},
		{"the first decides, though it is bad", `[["expiration","x"],["expiration","7"]]`, 0},
		{"text", `[["expiration","soon"]]`, 0},
		{"negative", `[["expiration","-1"]]`, 0},
		{"fraction", `[["expiration","1.5"]]`, 0},
		{"blanks round it", `[["expiration"," 1700000001\t"]]`, 1700000001},
		{"more", `[["expiration","1 x"]]`, 0},
		{"leading zeros", `[["expiration","0001700000001"]]`, 1700000001},
		{"huge", `[["expiration","99999999999999999999"]]`, 1e18 - 1},
		{"empty", `[["expiration",""]]`, 0},
		{"no value", `[["expiration"]]`, 0},
	} {
		raw := []byte(withTags(t, c.tags))
		e, err := event.Parse(raw)
		if err != nil || e.Expiration != c.want {
			t.Errorf("NIP40.2 %s: %v %v", c.name, e, err)
		}
	}
}

// withTags is with for tags that ParseTrusted may refuse.
func withTags(t testing.TB, tags string) string {
	t.Helper()
	e := event.Event{CreatedAt: 1, Kind: 1}
	if err := json.Unmarshal([]byte(tags), &e.Tags); err != nil {
		t.Fatal(err)
	}
	e.ID = event.ComputeID(&e)
	return string(e.Append(nil))
}

func TestPeekID(t *testing.T) {
	id := strings.Repeat("ab", 32)
	for _, c := range []struct{ raw, want string }{
		{`{"id":"` + id + `"}`, id},
		{`{"kind":[{"id":1}],"id":"` + id + `","kind":-1`, id},
		{`{"id":"` + id + `","tags":[[1`, id},
		{`{"id":"` + id[1:] + `"}`, ""},
		{`{"id":"` + strings.ToUpper(id) + `"}`, ""},
		{`{"id":["` + id[2:] + `"]}`, ""},
		{`{"id":1}`, ""},
		{`{"x":{"id":"` + id + `"}}`, ""},
		{`{"x":` + strings.Repeat("[", 100_000), ""},
		{`{}`, ""},
		{``, ""},
		{`[]`, ""},
	} {
		if got := event.PeekID([]byte(c.raw)); got != c.want {
			t.Errorf("NIP01.8 %.80s: %q", c.raw, got)
		}
	}
}

func TestAnEventHoldsNoMoreThanItsRaw(t *testing.T) {
	long := strings.Replace(plain(t), `{`, `{"x":"`+strings.Repeat("x", 1<<20)+`",`, 1)
	text := []byte(long)
	e, err := event.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text) // what the event shares with its first text would be gone
	if e.Content != "hello" || e.Tags[0][1] != "x" || cap(e.Raw) > 2<<10 {
		t.Errorf("%q %q, %d bytes", e.Content, e.Tags, cap(e.Raw))
	}
}

func TestParseAllocatesLittle(t *testing.T) {
	if racing {
		t.Skip("the race detector makes sync.Pool forget")
	}
	for _, c := range []struct {
		name, raw string
		most      float64
	}{
		{"plain", plain(t), 3},
		{"no tags", with(t, "1", "1", "[]", `"x"`), 1},
		{"two escapes", with(t, "1", "1", `[["t","a\n"]]`, `"b\n"`), 5},
	} {
		raw := []byte(c.raw)
		if n := testing.AllocsPerRun(200, func() {
			if _, err := event.Parse(raw); err != nil {
				t.Fatal(err)
			}
		}); n > c.most {
			t.Errorf("%s: %v allocations", c.name, n)
		}
	}
}

// What Parse accepts is an event whose Raw has exactly the seven keys and no
// white space; Raw and Append give back an equal event; encoding/json sees the
// same fields; and go-nostr computes the same id, unless there are control
// characters that it does not hash verbatim.
func FuzzParse(f *testing.F) {
	for i, raw := range corpus(f) {
		if i%20 == 0 {
			f.Add(raw)
		}
	}
	f.Add([]byte(plain(f)))
	f.Add([]byte(with(f, "1", "1", `[["t","\u0001"],["expiration","5"]]`, `"\u0041\ud83d\ude00\/"`)))
	f.Add([]byte(strings.Replace(plain(f), `{`, ` {"x":{"a":[1,null]},`, 1)))
	f.Fuzz(func(t *testing.T, raw []byte) {
		before := bytes.Clone(raw)
		// Most changes break the id: without that check the fuzzer gets further.
		e, err := event.ParseTrusted(raw)
		_, strictErr := event.Parse(raw)
		if !bytes.Equal(before, raw) {
			t.Fatal("the text was changed")
		}
		if err != nil {
			if strictErr == nil {
				t.Fatalf("only ParseTrusted refuses: %v", err)
			}
			return
		}
		checkRaw(t, e.Raw)
		for _, text := range [][]byte{e.Raw, e.Append(nil)} {
			again, err := event.ParseTrusted(text)
			if err != nil || !same(e, again) {
				t.Fatalf("%v: %s", err, text)
			}
		}
		theirs := toNostr(t, e)
		id := event.ComputeID(e).String()
		if theirs.GetID() != id && !hasControl(e) {
			t.Fatalf("go-nostr's id is %s, not %s", theirs.GetID(), id)
		}
		if right := e.ID.String() == id || e.ID.String() == theirs.GetID(); right != (strictErr == nil) {
			t.Fatalf("the id is right: %v, and Parse says %v", right, strictErr)
		}
	})
}

// checkRaw reports a Raw that is not compact or has other keys than the seven.
func checkRaw(t *testing.T, raw []byte) {
	t.Helper()
	var compact bytes.Buffer
	if err := json.Compact(&compact, raw); err != nil || !bytes.Equal(compact.Bytes(), raw) {
		t.Fatalf("not compact (%v): %s", err, raw)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	keys := map[string]int{}
	depth := 0
	atKey := false
	for {
		token, err := d.Token()
		if err != nil {
			break
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '{' || v == '[' {
				depth++
			} else {
				depth--
			}
			atKey = depth == 1
			continue
		case string:
			if depth == 1 && atKey {
				keys[v]++
				atKey = false
				continue
			}
		}
		atKey = depth == 1
	}
	if len(keys) != 7 {
		t.Fatalf("keys %v: %s", keys, raw)
	}
	for _, k := range []string{"id", "pubkey", "created_at", "kind", "tags", "content", "sig"} {
		if keys[k] != 1 {
			t.Fatalf("keys %v: %s", keys, raw)
		}
	}
}

// toNostr reads Raw with go-nostr.
func toNostr(t *testing.T, e *event.Event) *nostr.Event {
	t.Helper()
	var out nostr.Event
	if err := json.Unmarshal(e.Raw, &out); err != nil {
		t.Fatalf("go-nostr refuses %s: %v", e.Raw, err)
	}
	return &out
}

func same(a, b *event.Event) bool {
	return a.ID == b.ID && a.PubKey == b.PubKey && a.Sig == b.Sig && a.Kind == b.Kind && a.CreatedAt == b.CreatedAt &&
		a.Expiration == b.Expiration && a.Content == b.Content && fmt.Sprintf("%q", a.Tags) == fmt.Sprintf("%q", b.Tags)
}

func hasControl(e *event.Event) bool {
	text := e.Content
	for _, t := range e.Tags {
		text += strings.Join(t, "")
	}
	return strings.ContainsFunc(text, func(r rune) bool { return r < 0x20 && !strings.ContainsRune("\n\r\t\b\f", r) })
}
