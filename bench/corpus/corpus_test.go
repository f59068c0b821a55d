package corpus

import (
	"bytes"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2/schnorr"

	"moa/nips/event"
)

func small(seed uint64) Config {
	return Config{Seed: seed, Events: 3000, Base: 1_790_000_000, Span: 30 * 24 * time.Hour}
}

func raws(c *Corpus) [][]byte {
	var out [][]byte
	for _, e := range c.Events {
		out = append(out, e.Raw)
	}
	return out
}

func TestSameSeedSameEvents(t *testing.T) {
	a, b := raws(Generate(small(1))), raws(Generate(small(1)))
	if !slices.EqualFunc(a, b, bytes.Equal) {
		t.Error("the same config gave two different corpora")
	}
	if c := raws(Generate(small(2))); slices.EqualFunc(a, c, bytes.Equal) {
		t.Error("two seeds gave the same corpus")
	}
}

func TestEveryEventIsValid(t *testing.T) {
	for _, mix := range []Mix{Stored(), Live()} {
		config := small(3)
		config.Mix = mix
		for i, e := range Generate(config).Events {
			if _, err := event.Parse(e.Raw); err != nil {
				t.Fatalf("%v: %s", err, e.Raw)
			}
			if i%20 != 0 { // the signatures are slow to check
				continue
			}
			pk, err := schnorr.ParsePubKey(e.PubKey[:])
			if err != nil {
				t.Fatal(err)
			}
			sig, err := schnorr.ParseSignature(e.Sig[:])
			if err != nil {
				t.Fatal(err)
			}
			if !sig.Verify(e.ID[:], pk) {
				t.Fatalf("event %d, kind %d: the signature is wrong", i, e.Kind)
			}
		}
	}
}

func TestLooksLikeANetwork(t *testing.T) {
	config := small(4)
	config.Events = 20000
	c := Generate(config)
	if m := c.MeanSize(); m < 1000 || m > 1400 {
		t.Errorf("mean size is %.0f bytes, want 1000 to 1400", m)
	}
	wrote, kinds, threads, own := map[event.PubKey]int{}, map[uint16]int{}, 0, 0
	byID := map[event.ID]*event.Event{}
	for i, e := range c.Events {
		if byID[e.ID] != nil {
			t.Fatal("an event comes twice")
		}
		byID[e.ID] = e
		kinds[e.Kind]++
		if e.Kind != event.KindGiftWrap {
			wrote[e.PubKey]++
			if i > 0 && e.CreatedAt < config.Base-int64(config.Span/time.Second) || e.CreatedAt > config.Base {
				t.Fatalf("time %d is outside the span", e.CreatedAt)
			}
		}
		if v, ok := e.Value("e"); ok && e.Kind == event.KindNote {
			threads++
			if id, _ := event.ParseID(v); byID[id] == nil {
				t.Fatal("an answer to a note that was not written before")
			}
		}
		if v, ok := e.Value("e"); ok && e.Kind == event.KindDeletion {
			if id, _ := event.ParseID(v); byID[id] == nil || byID[id].PubKey != e.PubKey {
				t.Fatal("a deletion of somebody else's note")
			}
			own++
		}
	}
	busiest := 0
	for _, p := range c.People[:len(c.People)/10] {
		busiest += wrote[p.PubKey]
	}
	if share := float64(busiest) / float64(len(c.Events)); share < 0.4 || share > 0.9 {
		t.Errorf("the busiest tenth wrote %.2f of all, want a skew", share)
	}
	if threads == 0 || own == 0 {
		t.Errorf("%d answers, %d deletions: want some of both", threads, own)
	}
	for _, s := range Stored() {
		if kinds[s.Kind] == 0 {
			t.Errorf("no event of kind %d", s.Kind)
		}
	}
	if f := c.Follows(0); len(f) == 0 || slices.Contains(f, c.People[0].PubKey) {
		t.Error("a person follows nobody, or the same person")
	}
}

func TestStreamIsTheSameAndKeepsNoEvents(t *testing.T) {
	want := raws(Generate(small(1)))
	n := 0
	for e := range Stream(small(1)) {
		if !bytes.Equal(e.Raw, want[n]) {
			t.Fatalf("event %d of the stream is another one", n)
		}
		n++
	}
	if n != len(want) {
		t.Fatalf("the stream has %d events, want %d", n, len(want))
	}
	heap := func() int64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return int64(m.HeapAlloc)
	}
	config, before := small(1), int64(0)
	config.Events, config.Authors, n = 20_000, 500, 0
	for range Stream(config) {
		if n++; n == 8_000 {
			before = heap()
		}
	}
	// Generate would keep 2 KB of each; the last notes are kept.
	if grown := (heap() - before) / 12_000; grown > 500 {
		t.Errorf("the stream keeps %d bytes of each event", grown)
	}
}

func TestCacheGivesTheSameCorpus(t *testing.T) {
	dir := t.TempDir()
	first, err := Cached(dir, small(5))
	if err != nil {
		t.Fatal(err)
	}
	again, err := Cached(dir, small(5))
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(raws(first), raws(again), bytes.Equal) {
		t.Error("the cache changed the events")
	}
	if !slices.Equal(first.Follows(3), again.Follows(3)) || first.People[3].key != again.People[3].key {
		t.Error("the cache changed the people")
	}
	files, _ := os.ReadDir(dir)
	if len(files) != 1 {
		t.Errorf("%d files in the cache, want 1", len(files))
	}
}

func TestFileOfEvents(t *testing.T) {
	made := Generate(small(6))
	name := filepath.Join(t.TempDir(), "events.jsonl")
	if err := made.save(name); err != nil {
		t.Fatal(err)
	}
	c, err := ReadFile(name, 100)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Events) != 100 || c.Events[99].ID != made.Events[99].ID {
		t.Errorf("got %d events", len(c.Events))
	}
	if err := os.WriteFile(name, []byte("{}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadFile(name, 0); err == nil {
		t.Error("a line that is no event was taken")
	}
}

// TestSampleIsSpreadOverTheFile takes a part of a file, and asks for more than
// there is.
func TestSampleIsSpreadOverTheFile(t *testing.T) {
	made := Generate(small(8))
	name := filepath.Join(t.TempDir(), "events.jsonl")
	if err := made.save(name); err != nil {
		t.Fatal(err)
	}
	place := map[event.ID]int{}
	for i, e := range made.Events {
		place[e.ID] = i
	}
	part, err := SampleFile(name, 300)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(part.Events); n < 250 || n > 300 {
		t.Errorf("the sample has %d events, want 300", n)
	}
	last, gap := -1, 0
	for _, e := range part.Events {
		at := place[e.ID]
		if at <= last {
			t.Fatalf("event %d comes after event %d", at, last)
		}
		last, gap = at, max(gap, at-last)
	}
	if gap > 100 || last < 2900 {
		t.Errorf("the sample leaves out %d events in a row, and ends with event %d", gap, last)
	}
	all, err := SampleFile(name, 5000)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.EqualFunc(raws(all), raws(made), bytes.Equal) {
		t.Errorf("a sample larger than the file has %d of its %d events", len(all.Events), len(made.Events))
	}
	person := slices.IndexFunc(all.People, func(p Person) bool { return all.lists[p.PubKey] != nil })
	if person < 0 || len(all.Follows(person)) == 0 {
		t.Error("nobody in the file follows anybody")
	}
}

func BenchmarkGenerate(b *testing.B) {
	config := small(1)
	config.Events = 20000
	for b.Loop() {
		Generate(config)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*config.Events), "ns/event")
}
