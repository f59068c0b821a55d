package relay

import (
	"reflect"
	"testing"

	"moa/nips/event"
)

// The kinds that a right is asked about are those of its filters, also all of them,
// none, and each one by its number.
func TestRightsKeepTheKindsOfTheirFilters(t *testing.T) {
	each := make([]uint16, 1<<16)
	for i := range each {
		each[i] = uint16(i)
	}
	for _, want := range [][][]uint16{
		nil,
		{nil},
		{{}},
		{{1}},
		{{0, 1, 127, 128, 65535}, nil, {}, {7}},
		{each, {1}},
	} {
		var filters []*event.Filter
		for _, kinds := range want {
			filters = append(filters, &event.Filter{Kinds: kinds})
		}
		if got := newKindLists(filters).lists(); !reflect.DeepEqual(got, want) {
			t.Errorf("%d lists, want %d: %v", len(got), len(want), got)
		}
	}
}
