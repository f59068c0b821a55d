package census

import (
	"bytes"
	"cmp"
	"slices"
	"time"

	"moa/store"
)

// window is how many days are counted one by one: clients choose the dates of events, and
// may not choose how much memory a count takes.
const window = 366

// spans are those of Report.Growth, in days.
var spans = []int{1, 7, 30, 365}

const secondsOfDay = 24 * 60 * 60

// counter is a count under way.
type counter struct {
	all            Amount
	kinds          map[uint16]*Amount
	authors        authors
	today          int64          // the number of the clock's day since 1970
	days           [window]Amount // the nth is so many days before today
	earlier, later Amount
}

func newCounter(now time.Time) *counter {
	return &counter{kinds: map[uint16]*Amount{}, authors: newAuthors(MostAuthors), today: dayOf(now.Unix())}
}

// dayOf is the number of the day of a time in Unix seconds, which may lie before 1970.
func dayOf(at int64) int64 {
	d := at / secondsOfDay
	if at%secondsOfDay < 0 {
		d--
	}
	return d
}

func (c *counter) add(r *store.Record) error {
	n := len(r.Raw)
	c.all.add(n)
	k := c.kinds[r.Kind]
	if k == nil {
		k = new(Amount)
		c.kinds[r.Kind] = k
	}
	k.add(n)
	c.authors.add(r.PubKey, n)
	switch d := dayOf(r.CreatedAt); {
	case d > c.today:
		c.later.add(n)
	case d <= c.today-window:
		c.earlier.add(n)
	default:
		c.days[c.today-d].add(n)
	}
	return nil
}

func (c *counter) report(o *Options) *Report {
	r := &Report{At: o.Now.UTC().Truncate(time.Second), Amount: c.all, Earlier: c.earlier, Later: c.later, Kinds: []Kind{}, Days: []Day{}}
	for kind, a := range c.kinds {
		r.Kinds = append(r.Kinds, Kind{kind, *a})
	}
	slices.SortFunc(r.Kinds, func(a, b Kind) int {
		return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), cmp.Compare(a.Kind, b.Kind))
	})
	for back, a := range c.days {
		if a.Events > 0 {
			day := time.Unix((c.today-int64(back))*secondsOfDay, 0).UTC().Format(time.DateOnly)
			r.Days = append(r.Days, Day{day, a})
		}
	}
	for _, n := range spans {
		g := Growth{Days: n}
		for _, a := range c.days[:n] {
			g.Events += a.Events
			g.Bytes += a.Bytes
		}
		r.Growth = append(r.Growth, g)
	}
	r.Authors = c.authors.top(cmp.Or(o.Top, defaultTop))
	r.AuthorsSeen, r.AuthorsMore = len(c.authors.of), c.authors.level > 0
	return r
}

const defaultTop = 100

// largest orders authors by what they have, and then by their keys.
func largest(a, b Author) int {
	return cmp.Or(cmp.Compare(b.Bytes, a.Bytes), bytes.Compare(a.PubKey[:], b.PubKey[:]))
}
