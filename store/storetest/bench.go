package storetest

import (
	"context"
	"fmt"
	"slices"
	"syscall"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store"
)

// cpu returns the CPU time that the process has used.
func cpu() time.Duration {
	var u syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkCommit measures the CPU time of an event committed in batches of
// that size, with everything that goes on beside it.
func BenchmarkCommit(b *testing.B, s store.Store, batch int) {
	c := NewCorpus(1)
	ctx := context.Background()
	var spent time.Duration
	n := 0
	for b.Loop() {
		events := c.Batch(batch)
		start := cpu()
		if _, err := s.Commit(ctx, c.Now(), events); err != nil {
			b.Fatal(err)
		}
		spent += cpu() - start
		n += batch
	}
	b.ReportMetric(float64(spent.Nanoseconds())/1e3/float64(n), "cpu-us/event")
}

// Fill commits n events of a corpus and returns it.
func Fill(t testing.TB, s store.Store, n int) *Corpus {
	c := NewCorpus(1)
	for done := 0; done < n; done += 256 {
		if _, err := s.Commit(context.Background(), c.Now(), c.Batch(min(256, n-done))); err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// Workload is a kind of REQ that clients send.
type Workload struct {
	Name string
	make func(c *Corpus) *event.Filter
}

// Workloads are the REQs that a relay's readers live on.
var Workloads = []Workload{
	{"home", func(c *Corpus) *event.Filter {
		return &event.Filter{Authors: c.authors(300), Kinds: []uint16{1, 6}, Limit: 100, HasLimit: true}
	}},
	{"profile", func(c *Corpus) *event.Filter {
		return &event.Filter{Authors: c.authors(1), Kinds: []uint16{1, 6}, Limit: 50, HasLimit: true}
	}},
	{"thread", func(c *Corpus) *event.Filter {
		return &event.Filter{Kinds: []uint16{1, 6, 7}, Tags: []event.TagFilter{{Name: 'e', Values: []string{c.target().ID.String()}}}}
	}},
	{"notifications", func(c *Corpus) *event.Filter {
		return &event.Filter{Kinds: []uint16{1, 6, 7, 9735}, Tags: []event.TagFilter{{Name: 'p', Values: []string{c.Author().String()}}}, Since: c.now - 20000, Limit: 50, HasLimit: true}
	}},
	{"ids", func(c *Corpus) *event.Filter {
		f := new(event.Filter)
		for range 10 {
			f.IDs = append(f.IDs, c.target().ID)
		}
		slices.SortFunc(f.IDs, event.CompareIDs)
		f.IDs = slices.Compact(f.IDs)
		return f
	}},
	{"metadata", func(c *Corpus) *event.Filter {
		return &event.Filter{Authors: c.authors(50), Kinds: []uint16{0}}
	}},
	{"addressable", func(c *Corpus) *event.Filter {
		return &event.Filter{Authors: c.authors(1), Kinds: []uint16{30023}, Tags: []event.TagFilter{{Name: 'd', Values: []string{fmt.Sprintf("slug-%d", c.rnd.IntN(1000))}}}}
	}},
	{"hashtag", func(c *Corpus) *event.Filter {
		return &event.Filter{Kinds: []uint16{1}, Tags: []event.TagFilter{{Name: 't', Values: []string{c.Topic()}}}, Limit: 50, HasLimit: true}
	}},
	{"global", func(c *Corpus) *event.Filter {
		return &event.Filter{Kinds: []uint16{1}, Limit: 100, HasLimit: true}
	}},
}

func (c *Corpus) authors(n int) []event.PubKey {
	return some(c.rnd, n, c.Author, event.ComparePubKeys)
}

// target is a note that others point at.
func (c *Corpus) target() *event.Event { return c.recent[c.rnd.IntN(len(c.recent))] }

// BenchmarkScan measures the CPU time of the workload's REQs, and of an event
// that they find.
func BenchmarkScan(b *testing.B, s store.Store, c *Corpus, w Workload) {
	ctx := context.Background()
	var filters [256]*event.Filter
	for i := range filters {
		filters[i] = w.make(c)
	}
	found, n := 0, 0
	b.ReportAllocs()
	start := cpu()
	for b.Loop() {
		q := store.Query{Filters: filters[n%len(filters) : n%len(filters)+1], Now: c.now, UpTo: s.Last()}
		n++
		sc := s.Scan(q)
		for done := false; !done; {
			p, err := sc.Next(ctx, store.Page{Events: 256, Bytes: 512 << 10, Work: 20000}, func(*store.Record) error { found++; return nil })
			if err != nil {
				b.Fatal(err)
			}
			done = p.Done
		}
	}
	spent := float64((cpu() - start).Nanoseconds()) / 1e3
	b.ReportMetric(spent/float64(n), "cpu-us/REQ")
	b.ReportMetric(spent/max(float64(found), 1), "cpu-us/event")
	b.ReportMetric(float64(found)/float64(n), "events/REQ")
}
