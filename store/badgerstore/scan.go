package badgerstore

import (
	"context"
	"sync"
	"time"

	"moa/store"
	"moa/store/badgerstore/internal/fault"
)

// scan is a store.Scan. It merges the lists of all filters' plans in the order
// of their tails, which is the same in every index:
//
//  1. from is the tail to go on at; what comes before it is not looked at again.
//  2. What the hot index covers is read there, in batches, and found when its
//     lock is free again.
//  3. Below it cursors read on, whichever transaction they read in.
//  4. Equal tails are one event; the filters whose cursors led to it decide.
//  5. A filter whose limit is reached looks for one more match, for a while,
//     to know whether the limit cut anything off.
//
// So between two pages it needs nothing but its memory.
type scan struct {
	s       *Store
	q       store.Query
	parts   []*part
	active  int // parts that are not done
	from    tail
	partial bool // a limit cut something off, or may have

	page   page               // the one being filled
	rec    store.Record       // lent to Visible and found
	batch  []stored           // read from the hot index, not yet offered
	lent   *[hotEvents]stored // for batch, during a page
	memory merge              // of the hot index
	single []uint32           // memory for its short lists
	looked int                // posting entries, by the last read
	lost   []tail             // what the last read has passed over: it is damaged
	cold   bool               // the hot index has nothing more

	past        bool // what is dated ahead was read
	futureKnown bool // and it is known what that is
	dated       bool // hot.ceil was set when that was looked for
	stop        tail // where it ends; zero: there is none

	begun int       // parts whose cursors exist
	heap  cursors   // the ready ones
	needy []*cursor // those to be filled before the merge can go on

	hidden   hidden // before anything of the page was read
	counting bool   // matches need not be read where their keys suffice
}

// Scan does what store.Store says.
func (s *Store) Scan(q store.Query) store.Scan { return s.newScan(q) }

func (s *Store) newScan(q store.Query) *scan {
	sc := &scan{s: s, q: q}
	var private *privacy
	if q.Private != nil {
		private = newPrivacy(q.Private)
	}
	for _, f := range q.Filters {
		p := &part{matcher: newMatcher(f), left: q.LimitOf(f), peek: peekEvents}
		if p.left == 0 {
			sc.partial = true
			continue
		}
		p.planFor(private, s.aliases.Load())
		sc.parts = append(sc.parts, p)
	}
	sc.active = len(sc.parts)
	return sc
}

// page is a store.Page being filled.
type page struct {
	store.Page
	events, bytes int
	work          int
	found         func(*store.Record) error
}

func (p *page) full() bool { return p.filled() || reached(p.work, p.Work) }

// filled reports a page full of what was found.
func (p *page) filled() bool { return reached(p.events, p.Events) || reached(p.bytes, p.Bytes) }

// rest is how much of the page's work is left, of most.
func (p *page) rest(most int) int {
	if p.Work > 0 {
		return min(most, max(p.Work-p.work, 1))
	}
	return most
}

func reached(n, bound int) bool { return bound > 0 && n >= bound }

// Next does what store.Scan says.
func (sc *scan) Next(ctx context.Context, bounds store.Page, found func(*store.Record) error) (store.Progress, error) {
	gate, err := sc.s.life.begin()
	if err != nil {
		return store.Progress{}, err
	}
	defer gate.RUnlock()
	start := time.Now()
	p := &sc.page
	*p = page{Page: bounds, found: found}
	done, err := sc.guarded(ctx, p)
	sc.s.metrics.scanTime.Observe(time.Since(start).Seconds())
	p.found = nil
	return store.Progress{Found: p.events, Work: p.work, Done: done, All: done && !sc.partial}, err
}

// guarded is next, with a page of Badger's that cannot be read as an error.
func (sc *scan) guarded(ctx context.Context, p *page) (done bool, err error) {
	defer fault.Catch(fault.Arm(), &err)
	return sc.next(ctx, p)
}

func (sc *scan) next(ctx context.Context, p *page) (done bool, err error) {
	sc.hidden = sc.s.requests.hidden()
	if all, err := sc.spellOut(ctx, p); !all {
		return false, err
	}
	if !sc.past {
		if past, err := sc.nextFuture(ctx, p); !past {
			return sc.active == 0 && err == nil, err
		}
	}
	if err := sc.nextHot(ctx, p); err != nil || sc.active == 0 || sc.ended() {
		return err == nil, err
	}
	if !sc.cold || p.full() {
		return false, nil
	}
	r := sc.s.newReader(sc.q.Bulk, &p.work)
	defer r.close()
	for sc.begun < len(sc.parts) {
		if p.full() {
			return false, nil
		}
		sc.begin(r)
	}
	return sc.nextCold(ctx, r, p)
}

// nextFuture finds what is dated ahead of the clock and is not in memory. It
// reports whether that is all.
func (sc *scan) nextFuture(ctx context.Context, p *page) (past bool, err error) {
	if !sc.futureKnown {
		sc.planFuture(p)
	}
	if sc.stop != (tail{}) {
		r := sc.s.newReader(sc.q.Bulk, &p.work)
		defer r.close()
		if end, err := sc.nextCold(ctx, r, p); !end || err != nil || sc.active == 0 {
			return false, err
		}
		sc.from, sc.needy, sc.heap = sc.stop, nil, nil
	}
	sc.past = true
	return true, nil
}

// nextCold finds what the cursors lead to. It reports whether they are at their
// end, or no part is active.
func (sc *scan) nextCold(ctx context.Context, r *reader, p *page) (end bool, err error) {
	for sc.active > 0 && !p.full() {
		if err := ctx.Err(); err != nil {
			return false, err
		}
		switch {
		case len(sc.needy) > 0:
			err = sc.fill(r, p.rest(fillWork))
		case len(sc.heap) == 0:
			return true, nil
		default:
			t := sc.step()
			err = sc.look(r, p, &t)
		}
		if err != nil {
			return false, err
		}
	}
	return sc.active == 0, nil
}

// ended reports that memory covers everything, and that all of it was read.
func (sc *scan) ended() bool { return sc.cold && sc.from == lastTail }

// Bounds of one read of the hot index, during which commits wait.
const (
	hotEvents = 256
	hotWork   = 4096
)

var batches = sync.Pool{New: func() any { return new([hotEvents]stored) }}

// nextHot finds what the hot index covers until the page is full.
func (sc *scan) nextHot(ctx context.Context, p *page) error {
	sc.lent = batches.Get().(*[hotEvents]stored)
	defer sc.putBack()
	for sc.active > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		if len(sc.batch) == 0 {
			if sc.cold || p.full() {
				break
			}
			sc.cold = sc.s.hot.read(sc, sc.want(p), p.rest(hotWork))
			p.work += sc.looked
			sc.nameLost()
			sc.peekedAt(sc.looked - len(sc.batch))
			continue
		}
		if p.filled() { // the work for what was read is done
			break
		}
		n := sc.batch[0]
		sc.batch[0] = stored{}
		sc.batch = sc.batch[1:]
		for _, part := range sc.parts {
			part.hit = !part.done
		}
		sc.s.metrics.fromMemory.Inc()
		if err := sc.offer(p, &n.tail, n.value); err != nil {
			return err
		}
	}
	return nil
}

// nameLost tells of the events that are in memory and damaged on the disk.
func (sc *scan) nameLost() {
	for i := range sc.lost {
		sc.s.damages.record(&sc.lost[i], nil)
	}
	sc.lost = sc.lost[:0]
}

// putBack forgets what was read and not offered, which may be deleted before the
// next page, and gives the batch's memory back.
func (sc *scan) putBack() {
	if len(sc.batch) > 0 {
		sc.from, sc.cold = sc.batch[0].tail, false
		clear(sc.batch)
		sc.memory.forget()
	}
	batches.Put(sc.lent)
	sc.lent, sc.batch = nil, nil
}

// want is how many matches it takes to fill the page or the limits, and one
// more.
func (sc *scan) want(p *page) int {
	want := 0
	for _, part := range sc.parts {
		switch {
		case part.done:
		case part.left == store.Unlimited:
			want = hotEvents
		default:
			want += part.left + 1
		}
	}
	if p.Events > 0 {
		want = min(want, p.Events-p.events+1)
	}
	return min(want, hotEvents)
}

// start is where part goes on.
func (sc *scan) start(p *part) tail {
	if p.HasUntil {
		if until := firstTail(p.Until); until.compare(&sc.from) > 0 {
			return until
		}
	}
	return sc.from
}

// begin makes the cursors of one part.
func (sc *scan) begin(r *reader) {
	p := sc.parts[sc.begun]
	sc.begun++
	if p.done {
		return
	}
	*r.work += p.keys() / 8
	from := sc.start(p)
	for i, prefix := range p.lists {
		sc.needy = append(sc.needy, &cursor{part: p, side: p.side(i), prefix: prefix, from: from})
	}
	if rest := sc.s.hot.unseen(p.lookups, &sc.from); len(rest) > 0 {
		sc.needy = append(sc.needy, &cursor{part: p, lookups: rest, from: from})
	}
}

// fillWork bounds the work of one fill, so that cancelling is noticed.
const fillWork = 4096

// fill fills one needy cursor, for about budget of work.
func (sc *scan) fill(r *reader, budget int) error {
	c := sc.needy[len(sc.needy)-1]
	if !c.part.done {
		if err := c.fill(r, sc.q.UpTo, budget); err != nil {
			return err
		}
	}
	switch {
	case c.part.done:
	case c.ready():
		sc.heap.push(c)
	case !c.end:
		return nil
	}
	sc.needy = sc.needy[:len(sc.needy)-1]
	return nil
}

// step moves every cursor past the first tail, marks their parts as hit, and
// returns the tail.
func (sc *scan) step() tail {
	t := *sc.heap[0].head()
	for len(sc.heap) > 0 && sc.heap[0].head().compare(&t) == 0 {
		c := sc.heap[0]
		c.part.hit, c.part.by = true, c
		c.pos++
		switch {
		case c.ready() && !c.part.done:
			sc.heap.fix()
			continue
		case !c.end && !c.part.done:
			sc.needy = append(sc.needy, c)
		}
		sc.heap.pop()
	}
	sc.from = t.next()
	return t
}

// look decides about the event at t.
func (sc *scan) look(r *reader, p *page, t *tail) error {
	if sc.counting && sc.q.Visible == nil && !t.expires() && len(sc.hidden) == 0 && sc.hitExact() {
		p.events++
		sc.unhit()
		return nil
	}
	v, err := r.record(t)
	if err != nil || v == nil {
		sc.unhit()
		return err
	}
	sc.s.metrics.fromDisk.Inc()
	if sc.counting {
		sc.prove(v)
	}
	return sc.offer(p, t, v)
}
