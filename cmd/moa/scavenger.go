package main

import (
	"context"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go's collector lets garbage take as much memory as what lives, and what many
// connections have once taken stays taken while they are idle: nothing allocates, so
// nothing collects. A scavenger collects, and returns the memory to the system, when a
// busy time is over.
type scavenger struct {
	last   heap      // at the last look
	slack  uint64    // what was still held beyond what lives when memory was returned last
	before time.Time // when that was
}

// heap is what the Go heap takes of memory, in bytes.
type heap struct {
	allocated uint64 // since the start
	held      uint64 // of the system's memory
	live      uint64 // what the last collection has left
}

const (
	// lookEvery is how long nearly nothing must happen for a time to be quiet:
	// less than a share of what lives is allocated, and no more than leastQuiet.
	lookEvery  = 2 * time.Second
	quietShare = 32
	leastQuiet = 1 << 20
	// A release pays if it brings leastGain bytes and a share of what lives, and is done
	// once in atMostEvery, or in everyMiB for each that lives: it costs a
	// collection, about a second of one core for every GB, and so no more than a
	// hundredth of one, and the faults of those pages that are used again.
	leastGain   = 8 << 20
	gainShare   = 8
	atMostEvery = 20 * time.Second
	everyMiB    = 100 * time.Millisecond
)

// scavenge looks after the heap until ctx is done.
func scavenge(ctx context.Context, log *slog.Logger) {
	var s scavenger
	s.release(log) // what the start has left, and so that it is known what lives
	s.run(ctx, log)
}

func (s *scavenger) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if s.due(readHeap(), now) {
				s.release(log)
			}
		}
	}
}

func (s *scavenger) release(log *slog.Logger) {
	before := readHeap().held
	debug.FreeOSMemory()
	left := readHeap()
	s.released(left)
	log.Debug("memory returned to the system", "before", before, "after", left.held, "live", left.live)
}

// due reports whether the time since the last look was quiet and there is
// enough to be returned.
func (s *scavenger) due(h heap, now time.Time) bool {
	fresh := h.allocated - s.last.allocated
	s.last = h
	switch {
	case fresh > max(leastQuiet, h.live/quietShare): // busy
	case now.Sub(s.before) < max(atMostEvery, time.Duration(h.live>>20)*everyMiB):
	case h.slack() < s.slack+max(leastGain, h.live/gainShare):
	default:
		s.before = now
		return true
	}
	return false
}

// released takes note of what is left.
func (s *scavenger) released(left heap) { s.last, s.slack = left, left.slack() }

// slack is what is held beyond what lives.
func (h heap) slack() uint64 { return h.held - min(h.live, h.held) }

func readHeap() heap {
	samples := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(samples)
	at := func(i int) uint64 { return samples[i].Value.Uint64() }
	return heap{allocated: at(0), live: at(1), held: at(2) + at(3) + at(4)}
}
