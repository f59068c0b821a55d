package relay

import (
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moa/nips/event"
	"moa/nips/sig"
	"moa/nips/testwait"
	"moa/relay/outbox"
	"moa/store/memstore"
)

func TestAnUntrustedProxyIsToldOfOnce(t *testing.T) {
	var text strings.Builder
	p := &proxies{log: slog.New(slog.NewTextHandler(&text, nil))}
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
	for _, c := range []struct {
		peer, forwarded string
		lines           int
	}{
		{"127.0.0.1:5", "", 0},
		{"203.0.113.1:5", "1.2.3.4", 0}, // no proxy: a client says what it likes
		{"10.0.0.1:5", "1.2.3.4", 0},
		{"127.0.0.1:5", "1.2.3.4", 1},
		{"192.168.0.1:5", "1.2.3.4", 1},
	} {
		r := &http.Request{RemoteAddr: c.peer, Header: http.Header{}}
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		p.note(r, trusted)
		if n := strings.Count(text.String(), "not trusted"); n != c.lines {
			t.Errorf("%s: %d lines", c.peer, n)
		}
	}
}

// countingVerifier calls a signature valid if its first byte says so, and waits
// for its gate.
type countingVerifier struct {
	gate    chan struct{}
	batches atomic.Int64
	largest atomic.Int64
}

func (*countingVerifier) Name() string { return "counting" }

func (v *countingVerifier) Verify(batch []sig.Record, verdicts []bool) {
	if v.gate != nil {
		<-v.gate
	}
	v.batches.Add(1)
	v.largest.Store(max(v.largest.Load(), int64(len(batch))))
	for i := range batch {
		verdicts[i] = batch[i].Sig[0] == 1
	}
}

func TestSignaturesOfManyConnectionsFormBatches(t *testing.T) {
	cv := &countingVerifier{gate: make(chan struct{})}
	v := &verifier{sig: cv, most: 2, met: newMetrics(nil)}
	const callers, each = 100, 3
	var all sync.WaitGroup
	for n := range callers {
		all.Go(func() {
			c := &check{wake: make(chan bool, 1)}
			for i := range each {
				var r sig.Record
				r.Sig[0] = byte((n + i) % 2)
				c.records = append(c.records, r)
			}
			v.verify(c)
			for i := range each {
				if c.valid[i] != ((n+i)%2 == 1) {
					t.Errorf("caller %d got another's verdict for %d", n, i)
				}
			}
		})
	}
	testwait.Eventually(t, "all but two callers are in the queue", func() bool {
		v.mu.Lock()
		defer v.mu.Unlock()
		return len(v.queue) == callers-2
	})
	close(cv.gate)
	all.Wait()
	if n := cv.largest.Load(); n < 60 || n > maxBatch {
		t.Errorf("the largest batch has %d", n)
	}
	if n := cv.batches.Load(); n > 10 {
		t.Errorf("%d batches", n)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.running != 0 || len(v.queue) != 0 {
		t.Errorf("%d are running, %d wait", v.running, len(v.queue))
	}
}

// steps is a job that notes its turns.
type steps struct {
	name string
	left int
	log  *[]string
	done func()
	of   *payer
}

func (s *steps) payer() *payer { return s.of }

func (s *steps) step(outbox.Batch) bool {
	*s.log = append(*s.log, s.name)
	s.left--
	if s.left == 0 {
		s.done()
	}
	return s.left > 0
}

// Addresses take turns, and so do the jobs of each.
func TestJobsTakeTurns(t *testing.T) {
	for _, c := range []struct{ of, want string }{ // the address of each of the jobs a, b, c
		{"123", "abcabcabc"},
		{"111", "abcabcabc"},
		{"112", "acbcacbab"},
	} {
		s := newScheduler(queryLane, outbox.NewWriters(outbox.Options{}))
		accounts := map[byte]*payer{'1': {}, '2': {}, '3': {}}
		var log []string
		var all sync.WaitGroup
		for i, name := range []string{"a", "b", "c"} {
			all.Add(1)
			s.put(&steps{name, 3, &log, all.Done, accounts[c.of[i]]})
		}
		var worker sync.WaitGroup
		worker.Go(s.run)
		all.Wait()
		s.close()
		worker.Wait()
		if got := strings.Join(log, ""); got != c.want {
			t.Errorf("%s: turns: %s, want %s", c.of, got, c.want)
		}
	}
}

func TestTasksNameWhatIsRunning(t *testing.T) {
	var ts tasks
	stop := make(chan struct{})
	for range 3 {
		ts.Go("b", func() { <-stop })
	}
	ts.Go("a", func() { <-stop })
	if got := ts.String(); got != "a 1, b 3" {
		t.Errorf("running: %s", got)
	}
	close(stop)
	if err := ts.Wait(t.Context()); err != nil || ts.String() != "" {
		t.Errorf("%v; running: %s", err, ts.String())
	}
}

// A session that waits for room when the writer ends is let go, unanswered: the
// writer would not take its tickets any more.
func TestIngestClosesOnThoseWhoWait(t *testing.T) {
	in := newIngest(&committer{}, &Limits{TicketEvents: 1, TicketBytes: 1}, nil, nil)
	in.leading = true // another goroutine commits
	first, second := at("192.0.2.1", 1), at("192.0.2.1", 2)
	for _, s := range []*client{first, second} {
		s.open.Add(1)
		s.tickets.Add(1)
	}
	in.submit([]ticket{{from: first}})
	var waiter sync.WaitGroup
	waiter.Go(func() { in.submit([]ticket{{from: second}}) })
	time.Sleep(10 * time.Millisecond) // it may wait by then, and need not
	in.close()
	waiter.Wait()
	second.tickets.Wait()
	if n, _ := in.load(); n != 1 || first.open.Load() != 1 {
		t.Errorf("%d tickets wait for the writer", n)
	}
}

// NIP40.4: what has expired is removed, all of it, however much.
func TestASweepRemovesWhatHasExpired(t *testing.T) {
	st := memstore.New()
	var batch []*event.Event
	for i := range 3*sweepMost + 1 {
		batch = append(batch, &event.Event{ID: event.ID{byte(i), byte(i >> 8)}, Kind: 1, CreatedAt: 5, Expiration: 100, Raw: []byte("{}")})
	}
	batch[0].Expiration = 0
	if _, err := st.Commit(t.Context(), 10, batch); err != nil {
		t.Fatal(err)
	}
	in := newIngest(&committer{store: st, life: t.Context(), now: func() time.Time { return time.Unix(100, 0) }}, &Limits{}, outbox.NewWriters(outbox.Options{}), nil)
	var writer sync.WaitGroup
	writer.Go(in.run)
	in.sweep()
	testwait.Eventually(t, "one event is left", func() bool { return st.Stats().Events == 1 })
	in.close()
	writer.Wait()
}

// A client that says "ping" every half a minute, and listens, is no trouble; one
// that says nothing else, all the time, is.
func TestGarbageIsForgivenWithTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g garbage
		for range 10 * maxGarbage {
			g.add()
			time.Sleep(30 * time.Second)
		}
		if g.n > 1 {
			t.Errorf("%d are not forgiven", g.n)
		}
		for range maxGarbage + 1 {
			g.add()
			time.Sleep(time.Millisecond)
		}
		if g.n <= maxGarbage {
			t.Errorf("only %d count", g.n)
		}
	})
}
