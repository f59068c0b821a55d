package relay

import (
	"net/netip"
	"slices"
	"testing"

	"moa/nips/event"
)

// from makes tickets of a session, of events with so many tags.
func from(s *client, kind uint16, events, tags int) (ts []ticket) {
	for range events {
		ts = append(ts, ticket{from: s, e: &event.Event{Kind: kind, Tags: make([]event.Tag, tags)}})
	}
	return ts
}

func at(ip string, id uint64) *client {
	a := netip.MustParseAddr(ip)
	return &client{id: id, ip: a, account: &account{accountKey: accountKey{net: a}}}
}

// rounds picks until nothing waits, and returns the commits. Between two of
// them more comes.
func rounds(t *testing.T, waiting []ticket, more func(round int) []ticket) (commits [][]ticket) {
	t.Helper()
	var p portions
	for round := 0; len(waiting) > 0; round++ {
		if round > 10_000 {
			t.Fatal("no end")
		}
		batch, rest := p.pick(nil, slices.Clone(waiting))
		if len(batch) == 0 || len(batch)+len(rest) != len(waiting) {
			t.Fatalf("of %d tickets %d were picked, %d not", len(waiting), len(batch), len(rest))
		}
		commits = append(commits, batch)
		waiting = append(slices.Clone(rest), more(round)...)
	}
	return commits
}

func nothing(int) []ticket { return nil }

func TestACommitEndsAtItsWeight(t *testing.T) {
	one := at("192.0.2.1", 1)
	commits := rounds(t, from(one, 1, 150, 5000), nothing)
	if len(commits) != 150 {
		t.Errorf("150 events of 5000 tags are %d commits", len(commits))
	}
	if n := len(rounds(t, from(one, event.KindDeletion, 80, 5000), nothing)); n != 80 {
		t.Errorf("80 deletions of 5000 targets are %d commits", n)
	}
	if n := len(rounds(t, from(one, 1, 512, 6), nothing)); n != 1 {
		t.Errorf("512 small events are %d commits", n)
	}
	large := from(one, 1, 40, 0)
	for i := range large {
		large[i].e.Raw = make([]byte, 460<<10)
	}
	for _, c := range rounds(t, large, nothing) {
		if len(c) > 9 {
			t.Errorf("%d events of 460 KB are one commit", len(c))
		}
	}
	refused := from(one, event.KindDeletion, 512, 5000)
	for i := range refused {
		refused[i].fate = fateInvalid
	}
	if n := len(rounds(t, refused, nothing)); n != 1 {
		t.Errorf("512 refused events are %d commits", n)
	}
}

// A client that sends what costs much stands in no other's way.
func TestOneSourceHasAShareOfACommit(t *testing.T) {
	honest := at("192.0.2.9", 1000)
	for name, heavy := range map[string]func(s *client) []ticket{
		"tags":      func(s *client) []ticket { return from(s, 1, 40, 5000) },
		"targets":   func(s *client) []ticket { return from(s, event.KindDeletion, 20, 5000) },
		"thousands": func(s *client) []ticket { return from(s, 1, 250, 3) },
	} {
		for _, addresses := range []int{1, 3, 16} {
			var waiting []ticket
			for id := range uint64(16) {
				ip := netip.AddrFrom4([4]byte{192, 0, 2, byte(10 + int(id)%addresses)})
				waiting = append(waiting, heavy(at(ip.String(), id))...)
			}
			sent, most := map[*event.Event]int{}, 0
			commits := rounds(t, waiting, func(round int) []ticket {
				if round > 50 {
					return nil
				}
				ts := from(honest, 1, 1, 3)
				sent[ts[0].e] = round
				return ts
			})
			for i, c := range commits {
				for _, k := range c {
					if k.from == submitter(honest) {
						most = max(most, i-sent[k.e])
					}
				}
			}
			if most > 2 {
				t.Errorf("%s from %d addresses: an event of another client waits for %d commits", name, addresses, most)
			}
		}
	}
}

func TestEachConnectionKeepsItsOrder(t *testing.T) {
	var waiting []ticket
	for id := range uint64(8) {
		s := at("127.0.0.1", id)
		for i := range 200 {
			waiting = append(waiting, from(s, 1, 1, []int{3, 5000, 700, 9000}[(i+int(id))%4])...)
		}
	}
	var want, got [8][]*event.Event
	for _, k := range waiting {
		want[k.from.ID()] = append(want[k.from.ID()], k.e)
	}
	for _, c := range rounds(t, waiting, nothing) {
		for _, k := range c {
			got[k.from.ID()] = append(got[k.from.ID()], k.e)
		}
	}
	for id := range want {
		if !slices.Equal(got[id], want[id]) {
			t.Errorf("connection %d: the order is another", id)
		}
	}
}

// What waits for the writer has a share for one source, too.
func TestOneSourceHasAShareOfTheQueue(t *testing.T) {
	in := newIngest(&committer{}, &Limits{TicketEvents: 100, TicketBytes: 1 << 20}, nil, nil)
	in.leading = true // another goroutine commits
	one, other := at("192.0.2.1", 1), at("192.0.2.2", 2)
	in.submit(from(one, 1, 20, 0))
	in.mu.Lock()
	defer in.mu.Unlock()
	for _, c := range []struct {
		s    *client
		n    int
		full bool
	}{{one, 5, false}, {one, 6, true}, {at("192.0.2.1", 3), 6, true}, {other, 6, false}, {other, 26, false}, {other, 81, true}} {
		if got := in.fullLocked(c.s.source(), amount{tickets: c.n}); got != c.full {
			t.Errorf("%d more of %v: full is %v", c.n, c.s.ip, got)
		}
	}
}
