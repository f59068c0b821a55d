package main

import (
	"log/slog"
	"runtime"
	"testing"
	"time"

	"moa/nips/testwait"
)

// A relay that is quiet after a busy time returns what that has taken, once;
// one that works keeps it.
func TestTheScavengerComesAfterABusyTime(t *testing.T) {
	const mib = 1 << 20
	start := time.Now()
	type look struct {
		after time.Duration
		heap  heap
		due   bool
	}
	for name, test := range map[string]struct {
		between uint64 // what lives: not to be returned
		looks   []look
	}{
		"a crowd has come": {0, []look{
			{2 * time.Second, heap{150 * mib, 100 * mib, 60 * mib}, false}, // and still comes
			{4 * time.Second, heap{150 * mib, 100 * mib, 60 * mib}, true},
		}},
		"a collection would bring little": {0, []look{
			{2 * time.Second, heap{0, 105 * mib, 100 * mib}, false},
			{4 * time.Second, heap{0, 111 * mib, 100 * mib}, false},
			{6 * time.Second, heap{0, 113 * mib, 100 * mib}, true},
		}},
		"it works without a pause": {0, []look{
			{2 * time.Second, heap{10 * mib, 100 * mib, 50 * mib}, false},
			{4 * time.Second, heap{20 * mib, 100 * mib, 50 * mib}, false},
			{6 * time.Second, heap{30 * mib, 100 * mib, 50 * mib}, false},
		}},
		"the next is a while away": {0, []look{
			{2 * time.Second, heap{0, 100 * mib, 50 * mib}, true},
			{4 * time.Second, heap{0, 130 * mib, 50 * mib}, false},
			{21 * time.Second, heap{0, 130 * mib, 50 * mib}, false},
			{23 * time.Second, heap{0, 130 * mib, 50 * mib}, true},
		}},
		"much lives, and to collect it takes long": {0, []look{
			{2 * time.Second, heap{0, 15 << 30, 10 << 30}, true},
			{30 * time.Second, heap{300 * mib, 18 << 30, 10 << 30}, false},
			{1000 * time.Second, heap{600 * mib, 18 << 30, 10 << 30}, false},
			{1030 * time.Second, heap{600 * mib, 18 << 30, 10 << 30}, true},
		}},
		"the crowd has gone": {20 * mib, []look{ // the collector has noticed
			{2 * time.Second, heap{0, 100 * mib, 60 * mib}, true},
			{30 * time.Second, heap{0, 80 * mib, 60 * mib}, false},
			{90 * time.Second, heap{0, 80 * mib, 30 * mib}, true},
			{150 * time.Second, heap{0, 50 * mib, 30 * mib}, false},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			var s scavenger
			for _, l := range test.looks {
				due := s.due(l.heap, start.Add(l.after))
				if due != l.due {
					t.Errorf("after %v: %v", l.after, due)
				}
				if due {
					s.released(heap{l.heap.allocated, l.heap.live + test.between, l.heap.live})
				}
			}
		})
	}
}

// What a busy time has taken goes back to the system, though nothing is allocated any
// more and so nothing would be collected.
func TestMemoryReallyGoesBackToTheSystem(t *testing.T) {
	fill := func(list [][]byte) {
		for i := range list {
			list[i] = make([]byte, 64<<10)
		}
	}
	crowd, rest := make([][]byte, 1024), make([][]byte, 512)
	fill(crowd)
	var s scavenger
	log := slog.New(slog.DiscardHandler)
	s.release(log)
	fill(rest) // what lives lets so much garbage be
	clear(rest)
	before := readHeap()
	go s.run(t.Context(), log)
	testwait.Eventually(t, "24 MiB go back to the system", func() bool { return readHeap().held <= before.held-24<<20 })
	runtime.KeepAlive(crowd)
}
