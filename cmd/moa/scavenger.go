package main

import (
	"context"
	"log/slog"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

// Go's collector lets garbage take as much memory as what lives, and what a
// crowd of connections has once taken stays taken while they sit idle: nobody
// allocates, so nobody collects. giving collects and returns the memory to the
// system when a busy time is over.
type giving struct {
	last   heap      // at the last look
	slack  uint64    // what was still held beyond what lives when memory was given back last
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
	// It pays if it brings leastGain bytes and a share of what lives, and is done
	// once in giveEvery, or in giveEveryMiB for each that lives: it costs a
	// collection, about a second of one core for every GB, and so no more than a
	// hundredth of one, and the faults of those pages that are used again.
	leastGain    = 8 << 20
	gainShare    = 8
	giveEvery    = 20 * time.Second
	giveEveryMiB = 100 * time.Millisecond
)

// giveBack looks after the heap until ctx is done.
func giveBack(ctx context.Context, log *slog.Logger) {
	var g giving
	g.give(log) // what the start has left, and so that it is known what lives
	g.run(ctx, log)
}

func (g *giving) run(ctx context.Context, log *slog.Logger) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			if g.due(readHeap(), now) {
				g.give(log)
			}
		}
	}
}

func (g *giving) give(log *slog.Logger) {
	before := readHeap().held
	debug.FreeOSMemory()
	left := readHeap()
	g.given(left)
	log.Debug("memory given back to the system", "before", before, "after", left.held, "live", left.live)
}

// due reports whether the time since the last look was quiet and there is
// enough to be given back.
func (g *giving) due(h heap, now time.Time) bool {
	fresh := h.allocated - g.last.allocated
	g.last = h
	switch {
	case fresh > max(leastQuiet, h.live/quietShare): // busy
	case now.Sub(g.before) < max(giveEvery, time.Duration(h.live>>20)*giveEveryMiB):
	case h.slack() < g.slack+max(leastGain, h.live/gainShare):
	default:
		g.before = now
		return true
	}
	return false
}

// given takes note of what is left.
func (g *giving) given(left heap) { g.last, g.slack = left, left.slack() }

// slack is what is held beyond what lives.
func (h heap) slack() uint64 { return h.held - min(h.live, h.held) }

func readHeap() heap {
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:bytes"},
		{Name: "/gc/heap/live:bytes"},
		{Name: "/memory/classes/heap/objects:bytes"},
		{Name: "/memory/classes/heap/unused:bytes"},
		{Name: "/memory/classes/heap/free:bytes"},
	}
	metrics.Read(s)
	at := func(i int) uint64 { return s[i].Value.Uint64() }
	return heap{allocated: at(0), live: at(1), held: at(2) + at(3) + at(4)}
}
