package sig

import (
	"sync"
	"sync/atomic"
)

// Defaults of CheckOptions.
const (
	DefaultCheckEvery = 1024
	DefaultCheckQueue = 64
)

// CheckOptions configures a Checked. The zero value works.
type CheckOptions struct {
	// Every is N: one record in N is verified again. Default DefaultCheckEvery.
	Every int
	// Queue bounds the records that wait for btcec; when it is full, the
	// sample is dropped. Default DefaultCheckQueue.
	Queue int
	// Mismatch is called from the checking goroutine when btcec disagrees; the
	// caller logs and counts it. It must not call Close. May be nil.
	Mismatch func(Mismatch)
}

// Mismatch is a record on which a verifier and btcec disagreed.
type Mismatch struct {
	Record   Record
	Verifier string    // whose verdict it was
	Verdict  bool      // the verdict given; btcec says the opposite
	Now      string    // the verifier in use from here on
	Refused  []Refusal // the verifiers passed over on the way to Now
}

// Checked is a Verifier that lets btcec verify a sample of its records again,
// off the hot path, and falls back to the next verifier when btcec disagrees.
type Checked struct {
	every    uint64
	mismatch func(Mismatch)
	queue    chan sample
	done     chan struct{}
	finished sync.WaitGroup
	closing  sync.Once

	current atomic.Pointer[Choice]
	seen    atomic.Uint64
	sampled atomic.Uint64
	dropped atomic.Uint64
}

// sample is a record with the verdict that is to be checked.
type sample struct {
	record  Record
	verdict bool
	by      *Choice
}

// NewChecked starts a Checked on c. Close ends its goroutine.
func NewChecked(c Choice, o CheckOptions) *Checked {
	if o.Every <= 0 {
		o.Every = DefaultCheckEvery
	}
	if o.Queue <= 0 {
		o.Queue = DefaultCheckQueue
	}
	ch := &Checked{
		every:    uint64(o.Every),
		mismatch: o.Mismatch,
		queue:    make(chan sample, o.Queue),
		done:     make(chan struct{}),
	}
	ch.current.Store(&c)
	ch.finished.Go(ch.run)
	return ch
}

// Name returns the name of the verifier in use.
func (ch *Checked) Name() string { return ch.current.Load().Verifier.Name() }

// Verify is Verifier.Verify, by the verifier in use.
func (ch *Checked) Verify(batch []Record, verdicts []bool) {
	by := ch.current.Load()
	by.Verifier.Verify(batch, verdicts)
	n := uint64(len(batch))
	if len(by.next) == 0 || n == 0 {
		return // btcec needs no check by btcec
	}
	// Of all records seen, number every, 2*every, ... are the sample.
	last := ch.seen.Add(n)
	for k := last - last%ch.every; k+n > last && k > 0; k -= ch.every {
		i := k + n - last - 1
		ch.offer(sample{batch[i], verdicts[i], by})
	}
}

// offer queues a sample, or drops it when the queue is full.
func (ch *Checked) offer(s sample) {
	select {
	case ch.queue <- s:
		ch.sampled.Add(1)
	default:
		ch.dropped.Add(1)
	}
}

// Samples returns how many records were queued for btcec, and how many were
// dropped because it could not keep up.
func (ch *Checked) Samples() (queued, dropped uint64) {
	return ch.sampled.Load(), ch.dropped.Load()
}

// Close ends the checking. Verify still works afterwards, unchecked.
func (ch *Checked) Close() {
	ch.closing.Do(func() { close(ch.done) })
	ch.finished.Wait()
}

// run is the checking goroutine.
func (ch *Checked) run() {
	for {
		select {
		case <-ch.done:
			return
		case s := <-ch.queue:
			if verifyBtcec(&s.record) != s.verdict {
				ch.disagree(s)
			}
		}
	}
}

// disagree switches to the next verifier, unless that has happened already,
// and reports the mismatch.
func (ch *Checked) disagree(s sample) {
	m := Mismatch{Record: s.record, Verifier: s.by.Verifier.Name(), Verdict: s.verdict}
	if ch.current.Load() == s.by {
		// The list ends in btcec, which cannot fail against itself.
		if next, err := best(s.by.next); err == nil {
			m.Refused = next.Refused
			ch.current.Store(&next)
		}
	}
	m.Now = ch.Name()
	if ch.mismatch != nil {
		ch.mismatch(m)
	}
}
