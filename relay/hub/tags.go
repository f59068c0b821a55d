package hub

import (
	"slices"
	"strings"

	"moa/nips/event"
)

// manyTags is from how many tags on an event's are put in order for the filters
// that ask for a tag besides their handle. Thousands of such filters would each
// walk thousands of tags while everybody's events wait.
const manyTags = 32

// tagged is an event that filters are held against. The zero tagged is of none.
type tagged struct {
	*event.Event
	ordered bool                  // the following are filled in
	values  map[tagValue]struct{} // of tags with a name of one letter
	cells   map[byte][]string     // the geohashes among them, by name, sorted
}

// matches is rest.Matches, for what compile leaves of a filter.
func (t *tagged) matches(rest *event.Filter) bool {
	if len(t.Tags) < manyTags || len(rest.Tags) == 0 {
		return rest.Matches(t.Event)
	}
	if rest.IDs != nil && !rest.HasID(t.ID) || rest.Authors != nil && !rest.HasAuthor(t.PubKey) {
		return false
	}
	if !t.ordered {
		t.order()
	}
	for i := range rest.Tags {
		if !t.has(&rest.Tags[i]) {
			return false
		}
	}
	return true
}

func (t *tagged) has(f *event.TagFilter) bool {
	for _, v := range f.Values {
		if _, ok := t.values[tagValue{name: f.Name, value: v}]; ok {
			return true
		}
	}
	cells := t.cells[f.Name]
	for _, region := range f.Regions {
		if i, _ := slices.BinarySearch(cells, region); i < len(cells) && strings.HasPrefix(cells[i], region) {
			return true
		}
	}
	return false
}

func (t *tagged) order() {
	t.ordered = true
	t.values = make(map[tagValue]struct{}, len(t.Tags))
	t.cells = map[byte][]string{}
	for _, tag := range t.Tags {
		if len(tag) < 2 || len(tag[0]) != 1 {
			continue
		}
		name := tag[0][0]
		t.values[tagValue{name: name, value: tag[1]}] = struct{}{}
		if hash, ok := event.Cell(name, tag[1]); ok {
			t.cells[name] = append(t.cells[name], hash)
		}
	}
	for _, cells := range t.cells {
		slices.Sort(cells)
	}
}
