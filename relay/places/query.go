package places

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/geo"
	"moa/nips/geohash"
)

// The paths of what is asked about places.
const (
	MapPath    = "/geo"
	EventsPath = "/geo/events"
	CellsPath  = "/geo/cells"
)

// Bounds of what is asked.
const (
	coverCells   = 48 // geohashes that stand for a shape
	defaultLimit = 100
	maxLimit     = 500
	cellEvents   = 5000 // that are counted at most
	cellHistory  = time.Hour
	maxPrecision = 5 // 5 km: finer cells would tell where somebody lives
)

// query is what is asked about places.
type query struct {
	filter event.Filter // without where
	limit  int          // of events that are read
	where  cover
	inside func(*event.Event) bool
	answer func(read) (body []byte, err error)
}

// parse reads an untrusted URL. Its error's text is fit for the client.
func parse(path string, values url.Values, now time.Time) (*query, error) {
	known := []string{"bbox", "near", "km", "kinds", "since", "until", "limit"}
	if path == CellsPath {
		known = []string{"bbox", "near", "km", "kinds", "since", "until", "precision"}
	}
	for name, list := range values {
		if !slices.Contains(known, name) || len(list) != 1 {
			return nil, fmt.Errorf("%.40q is not a parameter, or is given twice; there are %s", name, strings.Join(known, ", "))
		}
	}
	p := &parser{values: values}
	q := new(query)
	q.filter.Kinds = p.kinds()
	q.filter.Since = p.number("since", 0)
	if values.Has("until") {
		q.filter.Until, q.filter.HasUntil = p.number("until", 0), true
	}
	if path == CellsPath {
		p.cells(q, now)
	} else {
		p.events(q)
	}
	return q, p.err
}

func (p *parser) events(q *query) {
	shape := p.shape()
	if p.err == nil && shape == nil {
		p.err = errors.New("where? bbox=west,south,east,north or near=lat,lon&km=radius")
	}
	q.limit = int(min(p.number("limit", defaultLimit), maxLimit))
	if p.err != nil {
		return
	}
	q.inside = func(e *event.Event) bool {
		places := geo.Locate(e, false)
		return slices.ContainsFunc(places.List(), func(hash string) bool { return geo.HasCentre(shape, hash) })
	}
	q.answer = eventsAnswer
	q.where = covering(shape)
}

// cells counts whole cells only: to count in a part of one would tell where in
// it somebody is.
func (p *parser) cells(q *query, now time.Time) {
	shape := p.shape()
	precision := int(p.number("precision", 4))
	if precision < 1 || precision > maxPrecision {
		p.fail("precision", fmt.Errorf("%d is not from 1 to %d", precision, maxPrecision))
	}
	if p.err != nil {
		return
	}
	if !p.values.Has("since") {
		q.filter.Since = now.Add(-cellHistory).Unix()
	}
	q.limit = cellEvents
	q.where.regions = strings.Split(geohash.Alphabet, "")
	if shape != nil {
		q.where.regions = geo.Cover(shape, coverCells)
		for i, r := range q.where.regions {
			q.where.regions[i] = r[:min(len(r), precision)]
		}
		slices.Sort(q.where.regions)
		q.where.regions = slices.Compact(q.where.regions)
	}
	asked := event.TagFilter{Regions: q.where.regions}
	cellsOf := func(e *event.Event) []string { return cellsAt(e, precision, &asked) }
	q.inside = func(e *event.Event) bool { return len(cellsOf(e)) > 0 }
	q.answer = func(all read) ([]byte, error) { return cellsAnswer(all, precision, q.filter.Since, cellsOf) }
}

// cover is a set of cells, and of regions of which each cell is meant. Both are
// sorted.
type cover struct{ cells, regions []string }

// covering is what may have its middle in a shape: what lies in a cover of it,
// and the larger cells around that.
func covering(shape geo.Shape) (c cover) {
	c.regions = geo.Cover(shape, coverCells)
	slices.Sort(c.regions)
	for _, r := range c.regions {
		for n := 1; n < len(r); n++ {
			c.cells = append(c.cells, r[:n])
		}
	}
	slices.Sort(c.cells)
	c.cells = slices.Compact(c.cells)
	return c
}

// filters ask for the cells in each of the tags by which regions are found.
func (q *query) filters() (all []*event.Filter) {
	for _, in := range []struct {
		name   byte
		prefix string
	}{{'g', ""}, {'i', "geo:"}, {'I', "geo:"}} {
		f := q.filter
		f.Limit, f.HasLimit = q.limit, true
		values := make([]string, len(q.where.cells))
		for i, cell := range q.where.cells {
			values[i] = in.prefix + cell
		}
		f.Tags = []event.TagFilter{{Name: in.name, Values: values, Regions: q.where.regions}}
		all = append(all, &f)
	}
	return all
}

// parser reads parameters and keeps the first fault.
type parser struct {
	values url.Values
	err    error
}

func (p *parser) fail(name string, err error) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %w", name, err)
	}
}

// shape reads bbox, or near and km. nil: there is neither, or a fault.
func (p *parser) shape() geo.Shape {
	var shape geo.Shape
	var err error
	switch bbox, near := p.values.Has("bbox"), p.values.Has("near"); {
	case bbox && near:
		p.fail("bbox", errors.New("either bbox or near"))
		return nil
	case bbox:
		x := p.numbers("bbox", "west,south,east,north in degrees", 4)
		shape, err = geo.Box(x[1], x[0], x[3], x[2])
		if err != nil {
			p.fail("bbox", err)
		}
	case near:
		at, km := p.numbers("near", "lat,lon in degrees", 2), p.numbers("km", "a radius", 1)
		shape, err = geo.Circle(at[0], at[1], km[0])
		if err != nil {
			p.fail("near", err)
		}
	}
	return shape
}

// numbers reads a list of n numbers, which it always returns.
func (p *parser) numbers(name, what string, n int) []float64 {
	parts := strings.Split(p.values.Get(name), ",")
	out := make([]float64, n)
	if len(parts) != n {
		p.fail(name, fmt.Errorf("want %s", what))
		return out
	}
	for i, part := range parts {
		v, err := strconv.ParseFloat(strings.TrimSpace(part), 64)
		if err != nil {
			p.fail(name, fmt.Errorf("%.40q is not a number: want %s", part, what))
		}
		out[i] = v
	}
	return out
}

// number reads a whole number from 0 up.
func (p *parser) number(name string, without int64) int64 {
	if !p.values.Has(name) {
		return without
	}
	n, err := strconv.ParseInt(p.values.Get(name), 10, 64)
	if err != nil || n < 0 {
		p.fail(name, fmt.Errorf("%.40q is not a whole number from 0 up", p.values.Get(name)))
		return without
	}
	return n
}

func (p *parser) kinds() []uint16 {
	if !p.values.Has("kinds") {
		return nil
	}
	var kinds []uint16
	for part := range strings.SplitSeq(p.values.Get("kinds"), ",") {
		n, err := strconv.ParseUint(part, 10, 16)
		if err != nil {
			p.fail("kinds", fmt.Errorf("%.40q is not a kind, 0 to 65535", part))
			return nil
		}
		kinds = append(kinds, uint16(n))
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}
