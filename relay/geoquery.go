package relay

import (
	"encoding/json"
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
	"moa/store"
)

const (
	geoCover     = 48 // geohashes that stand for a shape
	geoLimit     = 100
	geoMaxLimit  = 500
	cellEvents   = 5000 // that are counted at most
	cellHistory  = time.Hour
	maxPrecision = 5 // 5 km: finer cells would tell where somebody lives
	minAuthors   = 3 // that a cell must have to be shown
)

// geoQuery is what is asked about places.
type geoQuery struct {
	filter event.Filter // without where
	limit  int          // of events that are read
	where  cover
	inside func(*event.Event) bool
	answer func(read readGeo) (body []byte, err error)
}

// readGeo finds what there is, newest first, and reports whether it was all.
type readGeo func(found func(*store.Record) error) (whole bool, err error)

// parseGeoQuery reads an untrusted URL. Its error's text is fit for the client.
func parseGeoQuery(path string, values url.Values, now time.Time) (*geoQuery, error) {
	known := []string{"bbox", "near", "km", "kinds", "since", "until", "limit"}
	if path == geoCellsPath {
		known = []string{"bbox", "near", "km", "kinds", "since", "until", "precision"}
	}
	for name, list := range values {
		if !slices.Contains(known, name) || len(list) != 1 {
			return nil, fmt.Errorf("%.40q is not a parameter, or is given twice; there are %s", name, strings.Join(known, ", "))
		}
	}
	p := &geoParser{values: values}
	q := new(geoQuery)
	q.filter.Kinds = p.kinds()
	q.filter.Since = p.number("since", 0)
	if values.Has("until") {
		q.filter.Until, q.filter.HasUntil = p.number("until", 0), true
	}
	if path == geoCellsPath {
		p.cells(q, now)
	} else {
		p.events(q)
	}
	return q, p.err
}

func (p *geoParser) events(q *geoQuery) {
	shape := p.shape()
	if p.err == nil && shape == nil {
		p.err = errors.New("where? bbox=west,south,east,north or near=lat,lon&km=radius")
	}
	q.limit = int(min(p.number("limit", geoLimit), geoMaxLimit))
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
func (p *geoParser) cells(q *geoQuery, now time.Time) {
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
		q.where.regions = geo.Cover(shape, geoCover)
		for i, r := range q.where.regions {
			q.where.regions[i] = r[:min(len(r), precision)]
		}
		slices.Sort(q.where.regions)
		q.where.regions = slices.Compact(q.where.regions)
	}
	asked := event.TagFilter{Regions: q.where.regions}
	cellsOf := func(e *event.Event) []string { return cellsAt(e, precision, &asked) }
	q.inside = func(e *event.Event) bool { return len(cellsOf(e)) > 0 }
	q.answer = func(read readGeo) ([]byte, error) { return cellsAnswer(read, precision, q.filter.Since, cellsOf) }
}

// cover is a set of cells, and of regions of which each cell is meant. Both are
// sorted.
type cover struct{ cells, regions []string }

// covering is what may have its middle in a shape: what lies in a cover of it,
// and the larger cells around that.
func covering(shape geo.Shape) (c cover) {
	c.regions = geo.Cover(shape, geoCover)
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
func (q *geoQuery) filters() (all []*event.Filter) {
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

// geoParser reads parameters and keeps the first fault.
type geoParser struct {
	values url.Values
	err    error
}

func (p *geoParser) fail(name string, err error) {
	if p.err == nil {
		p.err = fmt.Errorf("%s: %w", name, err)
	}
}

// shape reads bbox, or near and km. nil: there is neither, or a fault.
func (p *geoParser) shape() geo.Shape {
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
func (p *geoParser) numbers(name, what string, n int) []float64 {
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
func (p *geoParser) number(name string, without int64) int64 {
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

func (p *geoParser) kinds() []uint16 {
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

// eventsAnswer is the body of /geo/events: the events as they are.
func eventsAnswer(read readGeo) ([]byte, error) {
	body := []byte(`{"events":[`)
	first := true
	whole, err := read(func(r *store.Record) error {
		if !first {
			body = append(body, ',')
		}
		first = false
		body = append(body, r.Raw...)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(body, `],"whole":%t}`, whole), nil
}

// cellCount is how much there is in one cell.
type cellCount struct {
	Cell    string `json:"cell"`
	Events  int    `json:"events"`
	Authors int    `json:"authors"`
}

// cellsAnswer is the body of /geo/cells: counts by cell, of those cells in which
// so many people have written that none of them is told by it.
func cellsAnswer(read readGeo, precision int, since int64, cellsOf func(*event.Event) []string) ([]byte, error) {
	events := map[string]int{}
	authors := map[string]map[event.PubKey]struct{}{}
	whole, err := read(func(r *store.Record) error {
		e, err := r.Event()
		if err != nil {
			return err
		}
		for _, cell := range cellsOf(e) {
			events[cell]++
			if authors[cell] == nil {
				authors[cell] = map[event.PubKey]struct{}{}
			}
			authors[cell][e.PubKey] = struct{}{}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	cells := []cellCount{}
	for cell, n := range events {
		if len(authors[cell]) >= minAuthors {
			cells = append(cells, cellCount{cell, n, len(authors[cell])})
		}
	}
	slices.SortFunc(cells, func(a, b cellCount) int { return strings.Compare(a.Cell, b.Cell) })
	return json.Marshal(struct {
		Precision int         `json:"precision"`
		Since     int64       `json:"since"`
		Cells     []cellCount `json:"cells"`
		Whole     bool        `json:"whole"`
	}{precision, since, cells, whole})
}

// cellsAt returns the cells of that many characters, of those asked for, that
// the event is in. What says less precisely where it is, is in none.
func cellsAt(e *event.Event, precision int, asked *event.TagFilter) (cells []string) {
	places := geo.Locate(e, false)
	for _, hash := range places.List() {
		if len(hash) < precision || !asked.InRegion(hash) {
			continue
		}
		if cell := hash[:precision]; !slices.Contains(cells, cell) {
			cells = append(cells, cell)
		}
	}
	return cells
}
