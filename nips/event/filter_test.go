package event_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
)

func filter(t testing.TB, text string) *event.Filter {
	t.Helper()
	f, err := event.ParseFilter([]byte(text))
	if err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return f
}

func TestWhatIsNoFilter(t *testing.T) {
	hex := strings.Repeat("ab", 32)
	for _, c := range []struct{ name, text, want string }{
		{"NIP01.24 short id", `{"ids":["ab"]}`, "ids: not 64"},
		{"NIP01.24 upper-case id", `{"ids":["` + strings.ToUpper(hex) + `"]}`, "ids: not 64"},
		{"NIP01.24 no hex", `{"authors":["` + strings.Repeat("zz", 32) + `"]}`, "authors: not 64"},
		{"NIP01.24 long author", `{"authors":["` + hex + `00"]}`, "authors: not 64"},
		{"NIP01.24 number", `{"authors":[1]}`, "authors: not valid"},
		{"NIP01.24 short #e", `{"#e":["ab"]}`, "#e: not 64"},
		{"NIP01.24 upper-case #p", `{"#p":["` + strings.ToUpper(hex) + `"]}`, "#p: not 64"},
		{"NIP01.24 #p is no list", `{"#p":"` + hex + `"}`, "#p: not an array"},
		{"NIP01.24 one bad among good", `{"ids":["` + hex + `","x"]}`, "ids: not 64"},
		{"NIP01.3 kind 65536", `{"kinds":[65536]}`, "kinds: a kind"},
		{"NIP01.3 kind -1", `{"kinds":[-1]}`, "kinds: a kind"},
		{"NIP01.3 kind as text", `{"kinds":["1"]}`, "kinds: a kind"},
		{"kinds is a number", `{"kinds":1}`, "kinds: not an array"},
		{"kinds is null", `{"kinds":null}`, "kinds: not an array"},
		{"NIP01.28 since -1", `{"since":-1}`, "since: not a whole"},
		{"NIP01.28 until 1.5", `{"until":1.5}`, "until: not a whole"},
		{"NIP01.28 until 1e-9", `{"until":1e-9}`, "until: not a whole"},
		{"NIP01.28 since as text", `{"since":"1"}`, "since: not a whole"},
		{"NIP01.28 since null", `{"since":null}`, "since: not a whole"},
		{"limit -1", `{"limit":-1}`, "limit: not a whole"},
		{"limit 0.5", `{"limit":0.5}`, "limit: not a whole"},
		{"search is a number", `{"search":1}`, "search: not valid"},
		{"tag value is a number", `{"#t":[1]}`, "#t: not valid"},
		{"NIP01.42 duplicate key", `{"kinds":[1],"kinds":[1]}`, `"kinds" is given twice`},
		{"NIP01.42 duplicate key, escaped", `{"#t":["a"],"#\u0074":["b"]}`, `"#t" is given twice`},
		{"NIP01.42 lone surrogate", `{"#t":["\udc00"]}`, "bad escape"},
		{"NIP01.42 not UTF-8", "{\"#t\":[\"\xff\"]}", "UTF-8"},
		{"empty", ``, "object"},
		{"a list", `[]`, "object"},
		{"trailing comma", `{"limit":1,}`, "not valid JSON"},
		{"trailing comma in a list", `{"kinds":[1,]}`, "a kind"},
		{"no colon", `{"limit" 1}`, "not valid JSON"},
		{"cut off", `{"limit":1`, "not valid JSON"},
		{"trailing garbage", `{}{}`, "something follows"},
	} {
		_, err := event.ParseFilter([]byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || errors.Is(err, event.ErrUnsupported) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
	for _, c := range []struct{ name, key string }{
		{"NIP01.25 sign", "#-"},
		{"NIP01.33 unknown", "foo"},
		{"NIP01.33 another case", "Kinds"},
		{"NIP01.33 empty", ""},
		{"NIP01.33 long", strings.Repeat("x", 10_000)},
		{"NIP-119's and", "&t"},
	} {
		_, err := event.ParseFilter([]byte(`{"limit":1,"` + c.key + `":["x"]}`))
		if !errors.Is(err, event.ErrUnsupported) || len(err.Error()) > 100 {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestMatches(t *testing.T) {
	id, author, other := strings.Repeat("01", 32), strings.Repeat("02", 32), strings.Repeat("03", 32)
	e, err := event.ParseTrusted([]byte(`{"id":"` + id + `","pubkey":"` + author + `","created_at":100,"kind":7,
		"tags":[["t","a","second"],["t","b"],["E","` + other + `"],["x"],["y",""],["tt","long"],["é","z"]],
		"content":"","sig":"` + sig + `"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name, text string
		want       bool
	}{
		{"NIP01.27 empty", `{}`, true},
		{"NIP01.23 or in a list", `{"ids":["` + other + `","` + id + `"]}`, true},
		{"ids", `{"ids":["` + other + `"]}`, false},
		{"authors", `{"authors":["` + author + `"]}`, true},
		{"not authors", `{"authors":["` + id + `"]}`, false},
		{"kinds", `{"kinds":[1,7]}`, true},
		{"not kinds", `{"kinds":[1,8]}`, false},
		{"NIP01.23 and over fields", `{"kinds":[7],"authors":["` + other + `"]}`, false},
		{"NIP01.25 tag", `{"#t":["b","c"]}`, true},
		{"NIP01.25 and over tags", `{"#t":["a"],"#E":["` + other + `"]}`, true},
		{"NIP01.25 and over tags, one missing", `{"#t":["a"],"#E":["` + id + `"]}`, false},
		{"NIP01.25 the first value only", `{"#t":["second"]}`, false},
		{"NIP01.25 no such value", `{"#t":["c"]}`, false},
		{"NIP01.25 case", `{"#e":["` + other + `"]}`, false},
		{"NIP01.25 case of the value", `{"#t":["A"]}`, false},
		{"a tag without a value has none", `{"#x":[""]}`, false},
		{"an empty value is one", `{"#y":[""]}`, true},
		{"NIP01.26 no ids", `{"ids":[]}`, false},
		{"NIP01.26 no authors", `{"authors":[]}`, false},
		{"NIP01.26 no kinds", `{"kinds":[]}`, false},
		{"NIP01.26 no values", `{"#t":[]}`, false},
		{"NIP01.28 since, inclusive", `{"since":100}`, true},
		{"NIP01.28 since", `{"since":101}`, false},
		{"NIP01.28 until, inclusive", `{"until":100}`, true},
		{"NIP01.28 until", `{"until":99}`, false},
		{"NIP01.28 until 0", `{"until":0}`, false},
		{"NIP01.28 both", `{"since":100,"until":100}`, true},
		{"NIP01.28 crossed", `{"since":101,"until":99}`, false},
		{"until 2^63-1", `{"until":9223372036854775807}`, true},
		{"until 2^64-1", `{"until":18446744073709551615}`, true},
		{"since 2^64-1", `{"since":18446744073709551615}`, false},
		{"NIP01.29 limit does not matter", `{"limit":0}`, true},
		{"limit 2^64", `{"limit":18446744073709551616}`, true},
		{"NIP50 search does not matter", `{"search":"nothing"}`, true},
		{"white space", " { \"kinds\" : [ 7 , 8 ] }\n", true},
		{"escapes", `{"\u0023t":["\u0061"],"ids":["\u0030` + id[1:] + `"]}`, true},
	} {
		f := filter(t, c.text)
		if got := f.Matches(e); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
		if f.Never() && c.want {
			t.Errorf("%s: Never", c.name)
		}
	}
}

func TestNever(t *testing.T) {
	for _, text := range []string{`{"ids":[]}`, `{"authors":[]}`, `{"kinds":[]}`, `{"#t":["x"],"#u":[]}`, `{"since":2,"until":1}`} {
		if !filter(t, text).Never() {
			t.Errorf("NIP01.26 %s", text)
		}
	}
	for _, text := range []string{`{}`, `{"limit":0}`, `{"since":1,"until":1}`, `{"kinds":[0]}`} {
		if filter(t, text).Never() {
			t.Errorf("NIP01.26 %s", text)
		}
	}
}

func TestAFilterDoesNotKeepItsText(t *testing.T) {
	text := []byte(`{"#t":["abc"],"search":"word"}`)
	f, err := event.ParseFilter(text)
	if err != nil {
		t.Fatal(err)
	}
	clear(text)
	if f.Tags[0].Values[0] != "abc" || f.Search != "word" {
		t.Errorf("%+v", f)
	}
	if many := filter(t, `{"kinds":[1`+strings.Repeat(",1", 10_000)+`]}`); cap(many.Kinds) > 8 {
		t.Errorf("one kind takes the room of %d", cap(many.Kinds))
	}
}

func TestMatchesDoesNotAllocate(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	e := randomEvent(t, r)
	f := filter(t, randomFilter(r))
	long := filter(t, `{"#t":["`+strings.Repeat("x", 100)+`","v1","v2","v3","v4","v5","v6","v7","v8","v9"],"kinds":[1,2,3,4,5,6,7,8,9,10]}`)
	if n := testing.AllocsPerRun(100, func() { f.Matches(e); long.Matches(e); long.Never() }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// randomHex returns one of few, so that filters match often.
func randomHex(r *rand.Rand) string { return fmt.Sprintf("%064x", r.IntN(12)) }

func randomEvent(t testing.TB, r *rand.Rand) *event.Event {
	t.Helper()
	var tags []event.Tag
	for range r.IntN(6) {
		tag := event.Tag{string("abAB"[r.IntN(4)])}
		if r.IntN(8) == 0 {
			tag[0] += "x"
		}
		for range r.IntN(3) {
			tag = append(tag, fmt.Sprint("v", r.IntN(12)))
		}
		tags = append(tags, tag)
	}
	e := &event.Event{Kind: uint16(r.IntN(12)), CreatedAt: int64(r.IntN(12)), Tags: tags}
	id, _ := event.ParseID(randomHex(r))
	author, _ := event.ParsePubKey(randomHex(r))
	e.ID, e.PubKey = id, author
	e, err := event.ParseTrusted(e.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func randomFilter(r *rand.Rand) string {
	m := map[string]any{}
	list := func(key string, value func() any) {
		if r.IntN(3) > 0 {
			return
		}
		out := []any{}
		for range 1 + r.IntN(11) {
			out = append(out, value())
		}
		m[key] = out
	}
	list("ids", func() any { return randomHex(r) })
	list("authors", func() any { return randomHex(r) })
	list("kinds", func() any { return r.IntN(12) })
	for _, name := range []string{"#a", "#b", "#A"} {
		list(name, func() any { return fmt.Sprint("v", r.IntN(12)) })
	}
	if r.IntN(3) == 0 {
		m["since"] = r.IntN(8)
	}
	if r.IntN(3) == 0 {
		m["until"] = 4 + r.IntN(8)
	}
	if r.IntN(3) == 0 {
		m["limit"] = r.IntN(3)
	}
	text, err := json.Marshal(m)
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestMatchesAgreesWithGoNostr(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	matched := 0
	for range 6_000 {
		e, text := randomEvent(t, r), randomFilter(r)
		f := filter(t, text)
		var theirs nostr.Filter
		if err := json.Unmarshal([]byte(text), &theirs); err != nil {
			t.Fatal(err)
		}
		got := f.Matches(e)
		if want := theirs.Matches(toNostr(t, e)); got != want {
			t.Fatalf("%v, and go-nostr says %v\n%s\n%s", got, want, text, e.Raw)
		}
		if got {
			matched++
			if f.Never() {
				t.Fatalf("Never, and yet it matches: %s", text)
			}
		}
	}
	if matched < 150 {
		t.Errorf("only %d matches: the test says little", matched)
	}
}

// What ParseFilter accepts, Append gives back, and ParseFilter accepts that
// unchanged. Lists are sorted and hold each value once.
func FuzzParseFilter(f *testing.F) {
	r := rand.New(rand.NewPCG(5, 6))
	for range 20 {
		f.Add([]byte(randomFilter(r)))
	}
	f.Add([]byte(`{"search":"a\u0000\"","#t":["\u0001","é"],"until":0,"since":0,"limit":99999999999999999999}`))
	f.Add([]byte(`{"ids":[],"authors":[],"kinds":[],"#e":[],"#Z":[]}`))
	f.Add([]byte(`{"#g":["u33*","u3*","u33dc1","9*","*","a*"],"#h":["u33*"]}`))
	f.Add([]byte(`{"#i":["geo:u33*","geo:u3*","isbn:1*","u33*"],"#I":["geo:*","geo:9*"]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := event.ParseFilter(text)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q is not JSON", text)
		}
		out := first.Append(nil)
		again, err := event.ParseFilter(out)
		if err != nil || !reflect.DeepEqual(first, again) {
			t.Fatalf("%+v is written as %s and read as %+v (%v)", first, out, again, err)
		}
		if !strictlySorted(first.IDs, event.CompareIDs) || !strictlySorted(first.Authors, event.ComparePubKeys) ||
			!strictlySorted(first.Tags, func(a, b event.TagFilter) int { return int(a.Name) - int(b.Name) }) {
			t.Fatalf("not sorted: %+v", first)
		}
		for _, tag := range first.Tags {
			if !strictlySorted(tag.Values, strings.Compare) || !strictlySorted(tag.Regions, strings.Compare) {
				t.Fatalf("not sorted: %+v", tag)
			}
		}
	})
}

func strictlySorted[T any](list []T, compare func(a, b T) int) bool {
	return slices.IsSortedFunc(list, func(a, b T) int {
		if c := compare(a, b); c != 0 {
			return c
		}
		return 1
	})
}

func BenchmarkMatches(b *testing.B) {
	r := rand.New(rand.NewPCG(7, 8))
	events, filters := make([]*event.Event, 64), make([]*event.Filter, 64)
	for i := range events {
		events[i], filters[i] = randomEvent(b, r), filter(b, randomFilter(r))
	}
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		filters[i%64].Matches(events[i/64%64])
	}
}

func BenchmarkParseFilter(b *testing.B) {
	text := []byte(`{"kinds":[1,6,7],"authors":["` + strings.Repeat("ab", 32) + `","` + strings.Repeat("cd", 32) + `"],"#t":["nostr"],"limit":100}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := event.ParseFilter(text); err != nil {
			b.Fatal(err)
		}
	}
}
