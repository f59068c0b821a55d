package places

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/nips/geo"
	"moa/store"
)

// read finds what there is, newest first, and reports whether that was all.
type read func(found func(*store.Record) error) (whole bool, err error)

// eventsAnswer is the body of /geo/events: the events as they are.
func eventsAnswer(all read) ([]byte, error) {
	body := []byte(`{"events":[`)
	first := true
	whole, err := all(func(r *store.Record) error {
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

// minAuthors is how many must have written in a cell for it to be shown.
const minAuthors = 3

// cellsAnswer is the body of /geo/cells: counts by cell, of those cells in which
// so many people have written that none of them is told by it.
func cellsAnswer(all read, precision int, since int64, cellsOf func(*event.Event) []string) ([]byte, error) {
	events := map[string]int{}
	authors := map[string]map[event.PubKey]struct{}{}
	whole, err := all(func(r *store.Record) error {
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
