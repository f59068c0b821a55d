package builtin

import (
	"bufio"
	"fmt"
	"math/bits"
	"os"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

const offer = "Dear friend, we have a wonderful offer for you today: buy two thousand followers and get a free toaster at"

func TestSimhashKnowsNearlyEqualTexts(t *testing.T) {
	base, _ := simhash(offer)
	for _, same := range []string{
		offer + " 17!!!", strings.ToUpper(offer), strings.ReplaceAll(offer, " ", "  \n🎁 "), "Hi! " + offer, offer + " https://x.io",
	} {
		if h, _ := simhash(same); !near(h, base) {
			t.Errorf("%d bits apart: %q", bits.OnesCount64(h^base), same)
		}
	}
	if h, _ := simhash("Dear friend, here is a wonderful recipe for you today: take two pounds of flour and a pinch of salt and stir well"); near(h, base) {
		t.Error("a recipe is near")
	}
}

// Real notes by different people are not near each other.
func TestSimhashKeepsRealNotesApart(t *testing.T) {
	type note struct {
		hash uint64
		text string
	}
	var notes []note
	f, err := os.Open("../../nips/event/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		e, err := event.Parse([]byte(lines.Text()))
		if err != nil || e.Kind != 1 {
			continue
		}
		if h, letters := simhash(e.Content); letters >= spamDefaults.MinLetters {
			notes = append(notes, note{h, e.Content})
		}
	}
	close := 0
	for i, a := range notes {
		for _, b := range notes[:i] {
			if near(a.hash, b.hash) && a.text != b.text {
				close++
				t.Logf("%.80q\n%.80q", a.text, b.text)
			}
		}
	}
	t.Logf("%d notes, %d near pairs", len(notes), close)
	if close > len(notes)/50 {
		t.Errorf("%d near pairs among %d notes", close, len(notes))
	}
}

func TestSpamIsAskedForMoreAndMoreWork(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	chain, faults := Build(policy.Env{Now: func() time.Time { return now }}, nil, []map[string]any{{
		"use": "spam", "step": int64(2), "most_work": int64(6), "trusted": map[string]any{"pubkeys": []any{key(alice)}},
	}})
	if faults != nil {
		t.Fatal(faults)
	}
	p := last(chain)
	spammer := &policytest.Client{Addr: "192.0.2.66"}
	from := func(n int, text string) event.Event {
		return event.Event{Kind: 1, PubKey: policytest.Key(byte(100 + n)), CreatedAt: int64(n), Content: text}
	}
	send := func(n int) string { return ask(p, spammer, from(n, offer+fmt.Sprint(" ", n))) }
	expect(t, "first", send(0), "")
	expect(t, "second", send(1), "")
	expect(t, "third", send(2), "pow: this looks like spam: 2 others have sent nearly the same text lately, you are new here; with 2 bits of proof of work it is accepted")
	worked := from(2, offer)
	mine(&worked, 2)
	expect(t, "third, worked", ask(p, spammer, worked), "")
	expect(t, "fourth", send(3), "pow: this looks like spam: 3 others")
	expect(t, "fifth", send(4), "pow: this looks like spam: 4 others have sent nearly the same text lately, you are new here; with 6 bits")
	retried := from(4, offer+" 4")
	mine(&retried, 6)
	expect(t, "fifth, with the work that it was asked for", ask(p, spammer, retried), "")
	for n := 5; n < 9; n++ {
		send(n)
	}
	expect(t, "another one", send(9), "blocked: this looks like spam: 8 others have sent nearly the same text lately, there are strikes against your network, you are new here; it is forgotten in time")

	other := &policytest.Client{Addr: "192.0.2.1"}
	expect(t, "a new author elsewhere", ask(p, other, from(50, "I walked along the river this morning and saw three herons")), "")
	expect(t, "short texts", ask(p, other, from(51, "gm")), "")
	trusted := from(0, offer)
	trusted.PubKey = alice
	expect(t, "a trusted author", ask(p, spammer, trusted), "")
	expect(t, "an import", ask(p, &policytest.Client{}, from(10, offer)), "")
	expect(t, "another kind", ask(p, spammer, at(7)), "")

	now = now.Add(12 * time.Hour)
	expect(t, "all is forgotten", send(9), "")
}

func TestReportsOfTheTrustedAreStrikes(t *testing.T) {
	p := use(t, "use='spam'\ntrusted={pubkeys=['"+key(alice)+"']}")
	report := func(by event.PubKey, why string) {
		e := event.Event{Kind: 1984, PubKey: by, Tags: []event.Tag{{"p", key(bob), why}, {"p", key(alice), why}, {"p", "x", why}, {"p"}}}
		p.(policy.Observer).Saved(nobody, policytest.Event(e))
	}
	report(carol, "spam")
	report(alice, "nudity")
	expect(t, "not reported by anybody who counts", ask(p, nobody, note(bob)), "")
	report(alice, "spam")
	expect(t, "reported", ask(p, nobody, note(bob)), "pow: this looks like spam: there are 2 strikes against you")
	expect(t, "alice", ask(p, nobody, note(alice)), "")
}

func TestBurstsCostWork(t *testing.T) {
	p := use(t, "use='spam'\nburst=3\nnew_for='1h'")
	for range 3 {
		expect(t, "calm", ask(p, nobody, note(bob)), "")
	}
	expect(t, "fast", ask(p, nobody, note(bob)), "pow: this looks like spam: you send very fast, you are new here")
}

func BenchmarkSpam(b *testing.B) {
	chain, faults := Build(policy.Env{}, nil, []map[string]any{{"use": "spam", "burst": int64(1 << 40)}})
	if faults != nil {
		b.Fatal(faults)
	}
	p := last(chain)
	e := policytest.Event(event.Event{Kind: 1, Content: offer})
	b.ReportAllocs()
	for b.Loop() {
		p.Event(b.Context(), nobody, e)
	}
}
