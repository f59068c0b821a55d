package moderation

import (
	"cmp"
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"moa/nips/event"
	"moa/policy"
)

// Options say how a desk works. All are needed.
type Options struct {
	Most    int           // authors on the desk; of more, those with the fewest reporters are dropped
	Window  time.Duration // how long reports count
	After   int           // so many people have an author refused; 0: that is the operator's decision alone
	For     time.Duration // how long after the last of them
	Trusted func(event.PubKey) bool
	Decided policy.Decided // it closes reports
	Now     func() time.Time
	Log     *slog.Logger
}

// Desk is safe for concurrent use.
type Desk struct {
	opt   Options
	stale chan struct{} // a hint that the desk lacks reports; one is enough
	// refuses: somebody may be refused. It is asked of every event that comes, so no
	// lock stands before it.
	refuses atomic.Bool

	mu      sync.RWMutex // guards the following
	applied uint64       // the generation of what is decided
	cases   map[event.PubKey][]report
	refused map[event.PubKey]int64 // by reports alone: until when, Unix seconds
	laying  bool                   // a new desk is being laid out
	since   []report               // what came meanwhile
	reports uint64
	dropped uint64
}

// New returns a desk without reports: Lay brings them.
func New(opt Options) *Desk {
	return &Desk{
		opt: opt, stale: make(chan struct{}, 1),
		cases: map[event.PubKey][]report{}, refused: map[event.PubKey]int64{},
	}
}

// Refuses returns why the author is refused because of reports alone; "": it is not.
func (d *Desk) Refuses(author event.PubKey) string {
	if !d.refuses.Load() {
		return ""
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if until, ok := d.refused[author]; ok && until > d.opt.Now().Unix() {
		return "people whom this relay trusts have reported the author, who may write again from " + When(until) + " on"
	}
	return ""
}

// When is a time as clients are told it.
func When(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04 UTC") }

// Apply brings the desk in line with what is decided, if that has changed.
func (d *Desk) Apply() {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.applied != d.opt.Decided.Generation() {
		d.applyLocked()
	}
}

// applyLocked weighs all reports anew: some may be closed by now.
func (d *Desk) applyLocked() {
	d.applied = d.opt.Decided.Generation() // what is decided from here on is applied next time
	old := d.cases
	d.cases, d.refused = map[event.PubKey][]report{}, map[event.PubKey]int64{}
	for _, list := range old {
		for _, r := range list {
			d.takeLocked(r)
		}
	}
	d.refuses.Store(len(d.refused) > 0)
}

// Take takes a kind 1984 that was stored. Those of people who are not trusted
// are passed over.
func (d *Desk) Take(e *event.Event) {
	r, ok := readReport(e)
	if !ok || !d.opt.Trusted(e.PubKey) {
		return
	}
	d.mu.Lock()
	was := d.refused[r.author] > d.opt.Now().Unix()
	taken := d.takeLocked(r)
	if d.laying {
		d.since = append(d.since, r)
	}
	if taken {
		d.reports++
	}
	until, is := d.refused[r.author]
	people := len(reporters(d.cases[r.author]))
	d.mu.Unlock()
	switch {
	case is && !was:
		d.opt.Log.Warn("an author is refused, for trusted people have reported them", "author", r.author, "people", people, "until", time.Unix(until, 0).UTC())
	case taken:
		d.opt.Log.Info("an author was reported", "author", r.author, "by", r.by, "what", r.what, "people", people)
	}
}

// takeLocked puts a report on the desk, unless a decision has closed it or it is too old.
func (d *Desk) takeLocked(r report) bool {
	now := d.opt.Now()
	if r.at <= now.Add(-d.opt.Window).Unix() || d.closedLocked(r) {
		return false
	}
	list, known := d.cases[r.author]
	if !known && len(d.cases) >= d.opt.Most {
		d.dropOneLocked()
	}
	i := slices.IndexFunc(list, func(old report) bool { return old.by == r.by && old.event == r.event })
	switch {
	case i >= 0 && list[i].at >= r.at:
		return false
	case i >= 0:
		list[i] = r
	case len(list) >= mostReports:
		list[oldest(list)] = r
	default:
		list = append(list, r)
	}
	d.cases[r.author] = list
	d.weighLocked(r.author, now)
	return true
}

func oldest(list []report) (i int) {
	for k := range list {
		if list[k].at < list[i].at {
			i = k
		}
	}
	return i
}

func (d *Desk) closedLocked(r report) bool {
	return r.at <= d.opt.Decided.Author(r.author).Closed || d.opt.Decided.Event(r.event) != policy.Undecided
}

// dropOneLocked makes room: the author with the fewest reporters goes, of
// several the one whose last report is the oldest.
func (d *Desk) dropOneLocked() {
	var least event.PubKey
	var fewest []int64
	for author, list := range d.cases {
		times := reporters(list)
		if fewest == nil || len(times) < len(fewest) || len(times) == len(fewest) && times[0] < fewest[0] {
			least, fewest = author, times
		}
	}
	delete(d.cases, least)
	delete(d.refused, least)
	d.dropped++
}

// weighLocked decides whether the reports alone have the author refused.
// Trusted people are not: that is for the operator.
func (d *Desk) weighLocked(author event.PubKey, now time.Time) {
	if d.opt.After == 0 || d.opt.Trusted(author) {
		return
	}
	times := reporters(d.cases[author])
	if len(times) < d.opt.After {
		return
	}
	// So many people must have reported within that time.
	if until := times[d.opt.After-1] + int64(d.opt.For/time.Second); until > now.Unix() {
		d.refused[author] = until
		d.refuses.Store(true)
	}
}

// Newest is when the author was reported last, Unix seconds; 0: nothing is open.
func (d *Desk) Newest(author event.PubKey) (at int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, r := range d.cases[author] {
		at = max(at, r.at)
	}
	return at
}

// Reopen has closed reports read again, soon.
func (d *Desk) Reopen() {
	select {
	case d.stale <- struct{}{}:
	default: // it is known
	}
}

// Stale has something when the desk is to be laid out anew: closed reports
// count again.
func (d *Desk) Stale() <-chan struct{} { return d.stale }

// Lay lays out the desk anew: read calls found for the stored reports. What was
// there holds until then.
func (d *Desk) Lay(ctx context.Context, read func(ctx context.Context, since int64, found func(*event.Event)) error) error {
	d.mu.Lock()
	d.laying, d.since = true, nil
	d.mu.Unlock()
	var list []report
	err := read(ctx, d.opt.Now().Add(-d.opt.Window).Unix(), func(e *event.Event) {
		if r, ok := readReport(e); ok && d.opt.Trusted(e.PubKey) {
			list = append(list, r)
		}
	})
	d.mu.Lock()
	before := maps.Clone(d.refused)
	if err == nil {
		d.cases = map[event.PubKey][]report{}
		for _, r := range append(list, d.since...) {
			d.takeLocked(r)
		}
		d.applyLocked()
	}
	d.laying, d.since = false, nil
	after := maps.Clone(d.refused)
	d.mu.Unlock()
	d.logRefused(before, after)
	return err
}

// logRefused names those whom stored reports have refused and who were not refused
// before: all of them at a start, and those whom a new `after` concerns.
func (d *Desk) logRefused(before, after map[event.PubKey]int64) {
	const most = 10 // moa moderation list has all
	var names []string
	now := d.opt.Now().Unix()
	for _, author := range slices.SortedFunc(maps.Keys(after), event.ComparePubKeys) {
		if before[author] <= now {
			names = append(names, author.String())
		}
	}
	if len(names) > 0 {
		d.opt.Log.Warn("authors are refused, for trusted people have reported them", "authors", len(names), "first", names[:min(len(names), most)])
	}
}

// Trusts reports whether the reports of that person count.
func (d *Desk) Trusts(pk event.PubKey) bool { return d.opt.Trusted(pk) }

// Window is how long reports count.
func (d *Desk) Window() time.Duration { return d.opt.Window }

// Cases are the open ones, those with the most reporters first.
func (d *Desk) Cases() []Case {
	d.mu.RLock()
	defer d.mu.RUnlock()
	list := make([]Case, 0, len(d.cases))
	now := d.opt.Now()
	for _, author := range slices.Collect(maps.Keys(d.cases)) {
		reports := slices.DeleteFunc(slices.Clone(d.cases[author]), func(r report) bool { return r.at <= now.Add(-d.opt.Window).Unix() })
		if len(reports) == 0 {
			continue
		}
		c := summary(author, reports)
		if until, ok := d.refused[author]; ok && until > now.Unix() {
			at := time.Unix(until, 0).UTC()
			c.Refused = &at
		}
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Case) int {
		return cmp.Or(cmp.Compare(b.People, a.People), b.Last.Compare(a.Last), event.ComparePubKeys(a.Author, b.Author))
	})
	return list
}

// Figures are for metrics: open cases, reports taken since the start, cases
// dropped because there are too many, and authors that are refused because of reports
// alone.
func (d *Desk) Figures() (open int, reports, dropped uint64, refused int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	now := d.opt.Now().Unix()
	for _, until := range d.refused {
		if until > now {
			refused++
		}
	}
	return len(d.cases), d.reports, d.dropped, refused
}
