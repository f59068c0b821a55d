package moderation

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

const day = 24 * time.Hour

var start = time.Unix(1_700_000_000, 0)

// bench is a desk with a clock of its own. Keys 1 to 9 are trusted.
type bench struct {
	*Desk
	now     time.Time
	opt     Options
	decided policytest.Decided
}

func newBench(t *testing.T, change func(*Options)) *bench {
	t.Helper()
	b := &bench{now: start}
	b.opt = Options{
		Most: 3, Window: 30 * day, After: 3, For: day,
		Trusted: func(pk event.PubKey) bool {
			for n := range 9 {
				if pk == policytest.Key(byte(1+n)) {
					return true
				}
			}
			return false
		},
		Decided: &b.decided, Now: func() time.Time { return b.now }, Log: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&b.opt)
	}
	b.Desk = New(b.opt)
	return b
}

// close closes what is reported about an author until a time after the start.
func (b *bench) close(about byte, after time.Duration) {
	b.decided.Decide(author(about), policy.AuthorDecision{Closed: start.Add(after).Unix()})
	b.Apply()
}

func author(n byte) event.PubKey { return policytest.Key(100 + n) }

// says is a report by a person about an author, at some time after the start.
func says(by, about byte, after time.Duration, tags ...event.Tag) *event.Event {
	return policytest.Event(event.Event{
		Kind: 1984, PubKey: policytest.Key(by), CreatedAt: start.Add(after).Unix(),
		Tags: append(tags, event.Tag{"p", author(about).String(), "spam"}),
	})
}

func (b *bench) show() string {
	var s strings.Builder
	for _, c := range b.Cases() {
		fmt.Fprintf(&s, "%d:%d people, %v, %d events", c.Author[0]-author(0)[0], c.People, c.What, len(c.Events))
		if c.Refused != nil {
			s.WriteString(", refused")
		}
		s.WriteString("; ")
	}
	return s.String()
}

func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func TestReportsOfTrustedPeopleAreCountedByPerson(t *testing.T) {
	b := newBench(t, nil)
	id := policytest.Event(event.Event{Kind: 1}).ID
	b.Take(says(1, 1, 0))
	b.Take(says(1, 1, -time.Hour))                                                          // an older one of the same
	b.Take(says(1, 1, 0, event.Tag{"e", id.String(), "nudity"}))                            // the same person, about an event
	b.Take(says(2, 1, 0, event.Tag{"e", id.String()}))                                      //
	b.Take(says(50, 1, 0))                                                                  // not a trusted person
	b.Take(says(1, 2, 0))                                                                   //
	b.Take(says(2, 2, -31*day))                                                             // long ago
	b.Take(policytest.Event(event.Event{Kind: 1984, PubKey: author(0)}))                    // about nobody
	b.Take(policytest.Event(event.Event{Kind: 1984, Tags: []event.Tag{{"p", "x"}, {"e"}}})) //
	expect(t, "cases", b.show(), "1:2 people, map[spam:3], 1 events; 2:1 people, map[spam:1], 0 events; ")
	b.now = start.Add(31 * day)
	expect(t, "a month later", b.show(), "")
}

func TestManyReportersHaveAnAuthorRefusedForATime(t *testing.T) {
	b := newBench(t, nil)
	for by := byte(1); by <= 2; by++ {
		b.Take(says(by, 1, 0))
		b.Take(says(by, 1, 0, event.Tag{"e", policytest.Event(event.Event{Kind: 1}).ID.String()}))
	}
	expect(t, "two people", b.Refuses(author(1)), "")
	b.now = start.Add(time.Hour)
	b.Take(says(3, 1, time.Hour))
	expect(t, "three", b.Refuses(author(1)), "people whom this relay trusts have reported the author, who may write again from 2023-11-15 22:13 UTC on")
	if !strings.HasSuffix(b.show(), ", refused; ") {
		t.Error(b.show())
	}
	b.now = start.Add(day + time.Second) // the first two are too long ago
	expect(t, "a day later", b.Refuses(author(1)), "")

	for by := byte(1); by <= 5; by++ { // those who report are not refused so
		b.Take(policytest.Event(event.Event{Kind: 1984, PubKey: policytest.Key(by), CreatedAt: b.now.Unix(), Tags: []event.Tag{{"p", policytest.Key(9).String()}}}))
	}
	expect(t, "a reporter", b.Refuses(policytest.Key(9)), "")
}

func TestDecisionsCloseReports(t *testing.T) {
	b := newBench(t, nil)
	id := policytest.Event(event.Event{Kind: 1}).ID
	reports := []*event.Event{
		says(1, 1, time.Hour), // by a clock that goes wrong
		says(1, 2, 0), says(2, 2, 0), says(3, 2, 0), says(1, 3, 0), says(2, 3, 0, event.Tag{"e", id.String()}),
	}
	for _, r := range reports {
		b.Take(r)
	}
	if b.Refuses(author(2)) == "" || b.Newest(author(1)) != start.Add(time.Hour).Unix() || b.Newest(author(9)) != 0 {
		t.Error("before anything is decided", b.show())
	}
	b.close(1, time.Hour)
	b.close(2, 0)
	b.decided.Rule(id, policy.HiddenEvent)
	b.Apply()
	expect(t, "closed", b.show(), "3:1 people, map[spam:1], 0 events; ")
	expect(t, "nobody is refused any more", b.Refuses(author(2)), "")

	// It is laid out anew at a start, at which no decision is told.
	b.Desk = New(b.opt)
	lay := func() {
		t.Helper()
		err := b.Lay(context.Background(), func(_ context.Context, since int64, found func(*event.Event)) error {
			if want := b.now.Add(-30 * day).Unix(); since != want {
				t.Errorf("reads reports from %d on, want %d", since, want)
			}
			for _, r := range reports {
				found(r)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	lay()
	expect(t, "after a start", b.show(), "3:1 people, map[spam:1], 0 events; ")
	b.now = start.Add(2 * time.Hour)
	b.Take(says(2, 1, 2*time.Hour))
	if !strings.Contains(b.show(), "1:1 people") {
		t.Errorf("a report after the dismissal: %s", b.show())
	}
	b.decided.Decide(author(2), policy.AuthorDecision{})
	b.Reopen()
	<-b.Stale()
	lay()
	if !strings.Contains(b.show(), "2:3 people") || b.Refuses(author(2)) == "" {
		t.Errorf("what was closed does not count again: %s", b.show())
	}
}

func TestDeskIsBounded(t *testing.T) {
	b := newBench(t, nil)
	for by := byte(1); by <= 2; by++ {
		b.Take(says(by, 1, 0))
	}
	for about := byte(2); about < 20; about++ {
		b.Take(says(1, about, time.Duration(about)*time.Second))
	}
	expect(t, "the most reported stay, and the newest", b.show(), "1:2 people, map[spam:2], 0 events; 19:1 people, map[spam:1], 0 events; 18:1 people, map[spam:1], 0 events; ")
	if open, reports, dropped, _ := b.Figures(); open != 3 || reports != 20 || dropped != 16 {
		t.Errorf("%d open, %d reports, %d dropped", open, reports, dropped)
	}
	for n := range 200 {
		b.Take(says(3, 1, time.Duration(n)*time.Second, event.Tag{"e", policytest.Event(event.Event{Content: fmt.Sprint(n)}).ID.String()}))
	}
	if n := len(b.cases[author(1)]); n != mostReports {
		t.Errorf("%d reports about one author", n)
	}
}

// Whatever a kind 1984 says, it is one report about somebody that it names, or
// none.
func FuzzReport(f *testing.F) {
	f.Add("p", strings.Repeat("a", 64), "spam", "e", strings.Repeat("b", 64), "nudity")
	f.Add("p", "x", "", "p", strings.Repeat("c", 64), "nonsense")
	f.Fuzz(func(t *testing.T, n1, v1, w1, n2, v2, w2 string) {
		e := &event.Event{Kind: 1984, Tags: []event.Tag{{n1, v1, w1}, {n2, v2, w2}}}
		r, ok := readReport(e)
		named := n1 == "p" && v1 == r.author.String() || n2 == "p" && v2 == r.author.String()
		if ok != (r.author != event.PubKey{}) && !named || ok && !named {
			t.Errorf("%v is a report %v about %s", e.Tags, ok, r.author)
		}
		if !slices.Contains(whats, r.what) {
			t.Errorf("%v is about %q", e.Tags, r.what)
		}
	})
}
