package event_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"moa/nips/event"
)

// corpus returns real events, one JSON object a line.
func corpus(t testing.TB) [][]byte {
	f, err := os.Open("testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var lines [][]byte
	in := bufio.NewScanner(f)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		lines = append(lines, bytes.Clone(in.Bytes()))
	}
	return lines
}

func TestRealEventsParse(t *testing.T) {
	for _, raw := range corpus(t) {
		e, err := event.Parse(raw)
		if err != nil {
			t.Fatalf("%v: %s", err, raw)
		}
		again, err := event.Parse(e.Append(nil))
		if err != nil || again.ID != e.ID {
			t.Fatalf("%v after Append: %s", err, raw)
		}
	}
}

func TestIDsAndKeysAreHexInJSON(t *testing.T) {
	type named struct {
		ID  *event.ID
		Key event.PubKey
	}
	in := named{&event.ID{0xab}, event.PubKey{0x01, 0xff}}
	text, err := json.Marshal(in)
	want := `{"ID":"` + in.ID.String() + `","Key":"` + in.Key.String() + `"}`
	if err != nil || string(text) != want {
		t.Fatalf("%s, %v; want %s", text, err, want)
	}
	var out named
	if err := json.Unmarshal(text, &out); err != nil || *out.ID != *in.ID || out.Key != in.Key {
		t.Fatalf("%+v, %v; want %+v", out, err, in)
	}
	for _, bad := range []string{`{"ID":"ab"}`, `{"Key":"` + strings.Repeat("AB", 32) + `"}`} {
		if json.Unmarshal([]byte(bad), &out) == nil {
			t.Errorf("%s is taken", bad)
		}
	}
}

func BenchmarkParse(b *testing.B) {
	lines := corpus(b)
	size := 0
	for _, l := range lines {
		size += len(l)
	}
	b.SetBytes(int64(size / len(lines)))
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		if _, err := event.Parse(lines[i%len(lines)]); err != nil {
			b.Fatal(err)
		}
	}
}
