package main

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/cmd/moa/internal/transfer"
	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
)

// torture makes the crash test as long as .ci/run wants it. MOA_TORTURE=1 in
// the environment is the same.
var torture = flag.Bool("torture", false, "kill the relay 50 times instead of 5")

// TestKilledRelayLosesNothingItAcknowledged kills `moa serve` under load, again
// and again. After each restart:
//
//   - every event that got OK true is served, but those that were replaced or
//     deleted by another that got OK true;
//   - of each replaceable there is one version, no older than the last that
//     got OK true;
//   - what was deleted stays away;
//   - counts, indexes and records agree: each event of an export is found by
//     its id, its author, its kind and its tag.
func TestKilledRelayLosesNothingItAcknowledged(t *testing.T) {
	rounds := 5
	if *torture || os.Getenv("MOA_TORTURE") != "" {
		rounds = 50
	}
	data := filepath.Join(t.TempDir(), "data")
	w := &world{stored: map[event.ID]*event.Event{}, profiles: map[event.PubKey]int64{}, deleted: map[event.ID]bool{}}
	for round := range rounds {
		s := serveIn(t, data)
		if round > 0 {
			w.check(t, s.URL)
		}
		w.load(t, s, round)
		if t.Failed() {
			t.Fatalf("round %d; the log:\n%s", round, s.lines())
		}
	}
	s := serveIn(t, data)
	w.check(t, s.URL)
	t.Logf("%d rounds, %d events acknowledged", rounds, w.acknowledged)
}

// world is what the relay has acknowledged.
type world struct {
	mu           sync.Mutex // guards the following
	stored       map[event.ID]*event.Event
	profiles     map[event.PubKey]int64 // created_at of the newest acknowledged kind 0
	deleted      map[event.ID]bool
	acknowledged int
}

const (
	crashWriters = 4
	crashWindow  = 64 // events of a writer without their OK
)

// load publishes from several connections until the relay, killed in the
// middle of it, answers no more.
func (w *world) load(t *testing.T, s *server, round int) {
	var writers sync.WaitGroup
	for i := range crashWriters {
		c := relaytest.Dial(t, s.URL)
		writers.Go(func() {
			defer c.Close()
			w.write(t, c, relaytest.NewKey(byte(1+i)), round)
		})
	}
	time.Sleep(200*time.Millisecond + rand.N(400*time.Millisecond)) // anywhere in the load
	s.Kill()
	writers.Wait()
}

// write publishes notes, profiles and deletions until the connection breaks.
func (w *world) write(t *testing.T, c *relaytest.Client, key relaytest.Key, round int) {
	sent := map[string]*event.Event{}
	base := time.Now().Unix() - 1_000_000 + int64(round)*10_000
	var last *event.Event // a note that was acknowledged
	for n := 0; ; n++ {
		e := event.Event{Kind: 1, CreatedAt: base + int64(n), Content: fmt.Sprint("round ", round, " note ", n), Tags: []event.Tag{{"t", fmt.Sprint("tag", n%7)}}}
		switch {
		case n%10 == 3:
			e.Kind, e.Tags = 0, nil
		case n%10 == 7 && last != nil:
			e.Kind, e.Tags = 5, []event.Tag{{"e", last.ID.String()}}
			w.doubt(last)
			last = nil
		}
		signed := key.Sign(t, e)
		sent[signed.ID.String()] = signed
		if c.TrySay(`["EVENT",`+string(signed.Raw)+`]`) != nil {
			return
		}
		for len(sent) >= crashWindow {
			text, err := c.TryNext(relaytest.Patience)
			if err != nil {
				return
			}
			r, err := wire.ParseReply([]byte(text))
			if err != nil || r.Verb != wire.OK || !r.OK {
				t.Errorf("said %s, %v", text, err)
				return
			}
			done := sent[r.ID]
			delete(sent, r.ID)
			w.acknowledge(done)
			if done.Kind == 1 {
				last = done
			}
		}
	}
}

// doubt forgets a note that is about to be deleted: from here on it may be
// there or not, until the deletion is acknowledged.
func (w *world) doubt(e *event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.stored, e.ID)
}

func (w *world) acknowledge(e *event.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.acknowledged++
	switch e.Kind {
	case 0:
		w.profiles[e.PubKey] = max(w.profiles[e.PubKey], e.CreatedAt)
	case 5:
		id, err := event.ParseID(e.Tags[0].Value())
		if err == nil {
			w.deleted[id] = true
		}
		w.stored[e.ID] = e
	default:
		w.stored[e.ID] = e
	}
}

// check holds the relay to what it has acknowledged.
func (w *world) check(t *testing.T, url string) {
	t.Helper()
	all := fetchAll(t, url, event.Filter{})
	byID := map[event.ID]*event.Event{}
	profiles := map[event.PubKey]int{}
	for _, e := range all {
		if byID[e.ID] != nil {
			t.Errorf("%s came twice", e.ID)
		}
		byID[e.ID] = e
		if w.deleted[e.ID] {
			t.Errorf("%s is back, though it was deleted", e.ID)
		}
		if e.Kind == 0 {
			profiles[e.PubKey]++
			if e.CreatedAt < w.profiles[e.PubKey] {
				t.Errorf("%s has the profile of %d, older than that of %d", e.PubKey, e.CreatedAt, w.profiles[e.PubKey])
			}
		}
	}
	for id, e := range w.stored {
		if byID[id] == nil {
			t.Errorf("kind %d of %d got OK true and is not there: %s", e.Kind, e.CreatedAt, id)
		} else if string(byID[id].Raw) != string(e.Raw) {
			t.Errorf("%s came back as %s", e.Raw, byID[id].Raw)
		}
	}
	for key := range w.profiles {
		if profiles[key] != 1 {
			t.Errorf("%s has %d profiles", key, profiles[key])
		}
	}
	w.checkIndexes(t, url, all)
}

// checkIndexes asks for the same events by other keys.
func (w *world) checkIndexes(t *testing.T, url string, all []*event.Event) {
	t.Helper()
	for i := range crashWriters {
		key := relaytest.NewKey(byte(1 + i)).PubKey
		sameEvents(t, fetchAll(t, url, event.Filter{Authors: []event.PubKey{key}}), all, func(e *event.Event) bool { return e.PubKey == key })
	}
	for _, kind := range []uint16{0, 1, 5} {
		sameEvents(t, fetchAll(t, url, event.Filter{Kinds: []uint16{kind}}), all, func(e *event.Event) bool { return e.Kind == kind })
	}
	tag := event.TagFilter{Name: 't', Values: []string{"tag2"}}
	sameEvents(t, fetchAll(t, url, event.Filter{Tags: []event.TagFilter{tag}}), all, func(e *event.Event) bool {
		v, _ := e.Value("t")
		return v == "tag2"
	})
	for chunk := range slices.Chunk(all, 500) {
		f := event.Filter{}
		for _, e := range chunk {
			f.IDs = append(f.IDs, e.ID)
		}
		slices.SortFunc(f.IDs, event.CompareIDs)
		if got := fetchAll(t, url, f); len(got) != len(chunk) {
			t.Errorf("%d of %d events are found by id", len(got), len(chunk))
		}
	}
}

// fetchAll reads all events that match through the relay's socket.
func fetchAll(t *testing.T, url string, f event.Filter) (all []*event.Event) {
	t.Helper()
	err := transfer.Fetch(t.Context(), url, f, func(raw []byte) error {
		e, err := event.Parse(raw)
		all = append(all, e)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// sameEvents requires got to be those of all that are wanted, in their order.
func sameEvents(t *testing.T, got, all []*event.Event, wanted func(*event.Event) bool) {
	t.Helper()
	var a, b strings.Builder
	for _, e := range got {
		fmt.Fprintln(&a, e.ID)
	}
	n := 0
	for _, e := range all {
		if wanted(e) {
			n++
			fmt.Fprintln(&b, e.ID)
		}
	}
	if a.String() != b.String() {
		t.Errorf("one index has %d events, another %d, or in another order", len(got), n)
	}
}
