package bench

import (
	"iter"
	"strconv"

	"moa/nips/event"
)

// postings finds the events that a filter may match by the narrowest of its
// fields, so that the answers to many queries can be known beforehand.
type postings map[string][]int32

func (p postings) add(i int32, e *event.Event) {
	p.put("i"+string(e.ID[:]), i)
	p.put("p"+string(e.PubKey[:]), i)
	p.put("k"+strconv.Itoa(int(e.Kind)), i)
	for _, t := range e.Tags {
		if len(t) > 1 && len(t[0]) == 1 {
			p.put("#"+t[0]+t[1], i)
		}
	}
}

func (p postings) put(key string, i int32) {
	if list := p[key]; len(list) == 0 || list[len(list)-1] != i {
		p[key] = append(list, i)
	}
}

// candidates yields at least the events that match, out of n; one may come
// more than once.
func (p postings) candidates(f *event.Filter, n int) iter.Seq[int32] {
	return func(yield func(int32) bool) {
		keys, any := p.narrowest(f)
		if any {
			for i := range int32(n) {
				if !yield(i) {
					return
				}
			}
			return
		}
		for _, k := range keys {
			for _, i := range p[k] {
				if !yield(i) {
					return
				}
			}
		}
	}
}

// narrowest returns the keys of the field with the fewest postings; any says
// that the filter has no field to go by.
func (p postings) narrowest(f *event.Filter) (keys []string, any bool) {
	best := -1
	try := func(field []string) {
		size := 0
		for _, k := range field {
			size += len(p[k])
		}
		if best < 0 || size < best {
			keys, best = field, size
		}
	}
	if f.IDs != nil {
		try(keysOf(f.IDs, func(id event.ID) string { return "i" + string(id[:]) }))
	}
	if f.Authors != nil {
		try(keysOf(f.Authors, func(pk event.PubKey) string { return "p" + string(pk[:]) }))
	}
	if f.Kinds != nil {
		try(keysOf(f.Kinds, func(k uint16) string { return "k" + strconv.Itoa(int(k)) }))
	}
	for _, t := range f.Tags {
		try(keysOf(t.Values, func(v string) string { return "#" + string(t.Name) + v }))
	}
	return keys, best < 0
}

func keysOf[T any](values []T, key func(T) string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		out[i] = key(v)
	}
	return out
}
