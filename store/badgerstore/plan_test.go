package badgerstore

import (
	"encoding/binary"
	"testing"

	"moa/nips/event"
)

// A filter of a few hundred KB must not become millions of keys.
func TestAFilterIsNotMultipliedOut(t *testing.T) {
	authors := make([]event.PubKey, 2000)
	for i := range authors {
		binary.BigEndian.PutUint16(authors[i][:], uint16(i))
	}
	var replaceable, addressable []uint16
	for i := range uint16(2000) {
		replaceable, addressable = append(replaceable, 10000+i), append(addressable, 30000+i)
	}
	d := []event.TagFilter{{Name: 'd', Values: []string{"a", "b", "c"}}}
	for _, f := range []*event.Filter{
		{Authors: authors, Kinds: replaceable},
		{Authors: authors, Kinds: addressable, Tags: d},
		{Authors: authors, Kinds: []uint16{0, 3, 10002}}, // what clients ask for is looked up
	} {
		m := newMatcher(f)
		p := planFor(&m, true)
		if n := len(p.lookups) + len(p.lists); n == 0 || n > 2*maxLookups+len(authors) {
			t.Errorf("%d kinds: %d lookups, %d lists", len(f.Kinds), len(p.lookups), len(p.lists))
		}
		if len(f.Kinds) == 3 && (len(p.lists) > 0 || len(p.lookups) != 3*len(authors)) {
			t.Errorf("profiles: %d lookups, %d lists", len(p.lookups), len(p.lists))
		}
	}
}
