package hub

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"

	"moa/nips/event"
)

// What an event costs grows with the subscriptions that it reaches, not with
// those there are.
func BenchmarkDeliver(b *testing.B) {
	for _, subs := range []int{100, 1_000, 10_000, 100_000} {
		x, people := crowd(subs)
		r := rand.New(rand.NewPCG(3, 4))
		events := make([]*event.Event, 2000)
		for i := range events {
			events[i] = happening(r, people)
		}
		// The same by authors that no filter names, and that name nobody.
		unheard := make([]*event.Event, 2000)
		for i := range unheard {
			unheard[i] = &event.Event{
				PubKey: person(1<<28 + i), Kind: events[i].Kind, CreatedAt: 1_800_000_000,
				Tags: []event.Tag{{"p", person(1 << 28).String()}, {"t", "nobody asks for this"}},
			}
			unheard[i].Kind = 1
		}
		b.Run(fmt.Sprintf("subs=%d", subs), func(b *testing.B) { deliverAll(b, x, events) })
		b.Run(fmt.Sprintf("subs=%d/strangers", subs), func(b *testing.B) { deliverAll(b, x, unheard) })
	}
}

// Thousands of filters that ask for one author's events with one of many tags:
// what they cost an event of that author does not grow with its tags.
func BenchmarkDeliverManyTags(b *testing.B) {
	const filters = 10_000
	x := new(Index[int])
	for i := range filters {
		f := &event.Filter{Authors: []event.PubKey{person(1)}, Tags: []event.TagFilter{{Name: 't', Values: []string{fmt.Sprint("x", i)}}}}
		s := NewSub("s", new(counter))
		x.Add(s, []*event.Filter{f})
		s.GoLive(0)
	}
	for _, tags := range []int{1, 100, 5000} {
		e := &event.Event{PubKey: person(1), Kind: 1}
		for i := range tags {
			e.Tags = append(e.Tags, event.Tag{"t", fmt.Sprint("y", i)})
		}
		b.Run(fmt.Sprintf("tags=%d", tags), func(b *testing.B) {
			for b.Loop() {
				x.Deliver(0, e, 0)
			}
		})
	}
}

func deliverAll(b *testing.B, x *Index[int], events []*event.Event) {
	b.ReportAllocs()
	reached, n := 0, 0
	for b.Loop() {
		reached += x.Deliver(0, events[n%len(events)], 0)
		n++
	}
	b.ReportMetric(float64(reached)/float64(n), "matches/op")
	if reached > 0 {
		b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(reached), "ns/match")
	}
}

// A home feed of 500 authors comes and goes, among many.
func BenchmarkAddRemove(b *testing.B) {
	for _, subs := range []int{100, 10_000, 100_000} {
		x, people := crowd(subs)
		r := rand.New(rand.NewPCG(5, 6))
		feeds := make([]*event.Filter, 50)
		for i := range feeds {
			feeds[i] = someFilter(0, r, people)
			more := someFilter(0, r, people)
			feeds[i].Authors = append(feeds[i].Authors, more.Authors[:500-len(feeds[i].Authors)]...)
		}
		b.Run(fmt.Sprintf("subs=%d", subs), func(b *testing.B) {
			for i := 0; b.Loop(); i++ {
				s := NewSub[int]("s", nil)
				x.Add(s, feeds[i%len(feeds):i%len(feeds)+1])
				x.Remove(s)
			}
		})
	}
}

// Bytes that the index keeps for a subscription, its filter aside.
func BenchmarkMemory(b *testing.B) {
	for name, of := range map[string]int{"home300": 0, "notifications": 4, "hashtag": 8, "kinds": 9} {
		b.Run(name, func(b *testing.B) {
			const n = 5000
			for b.Loop() {
				r := rand.New(rand.NewPCG(1, 2))
				people := rand.NewZipf(r, 1.1, 50, 200_000)
				x, sink := new(Index[int]), new(counter)
				before := heap()
				for i := range n {
					s := NewSub("s", sink)
					x.Add(s, []*event.Filter{someFilter(10*i+of, r, people)})
					s.GoLive(0)
				}
				b.ReportMetric(float64(heap()-before)/n, "B/sub")
				runtime.KeepAlive(x)
			}
		})
	}
}

func heap() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
