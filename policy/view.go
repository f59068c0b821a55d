package policy

import (
	"slices"
	"sync"

	"moa/nips/event"
	"moa/nips/geo"
)

// View is an event that clients are shown, one after the other. What is
// collected about it to decide for one of them is there for the others: an event
// may have thousands of tags, and there may be thousands of readers. It is for
// one goroutine at a time. The zero View is of no event.
type View struct {
	*event.Event
	mentioned []event.PubKey
	places    [2]geo.Places
	mentions  bool    // mentioned is filled in
	located   [2]bool // places are, without and with those of a mesh
}

// Of lets the View be of another event, or of none with nil.
func (v *View) Of(e *event.Event) {
	const most = 512 // one event's memory is not kept for all that follow
	if cap(v.mentioned) > most {
		v.mentioned = nil
	}
	*v = View{Event: e, mentioned: v.mentioned[:0]}
}

// few is up to how many keys a walk beats a search.
const few = 8

// Mentions reports whether a p tag names one of the keys.
func (v *View) Mentions(keys []event.PubKey) bool {
	if len(keys) == 0 {
		return false
	}
	if !v.mentions {
		v.collect()
	}
	for i := range keys {
		if v.names(&keys[i]) {
			return true
		}
	}
	return false
}

func (v *View) names(pk *event.PubKey) bool {
	if len(v.mentioned) <= few {
		return slices.Contains(v.mentioned, *pk)
	}
	_, found := slices.BinarySearchFunc(v.mentioned, *pk, event.ComparePubKeys)
	return found
}

func (v *View) collect() {
	v.mentions = true
	for _, t := range v.Tags {
		if t[0] != "p" {
			continue
		}
		if pk, ok := t.PubKey(); ok {
			v.mentioned = append(v.mentioned, pk)
		}
	}
	if len(v.mentioned) > few {
		slices.SortFunc(v.mentioned, event.ComparePubKeys)
	}
}

// Places are where the event says that it is, as geo.Locate finds them.
func (v *View) Places(mesh bool) *geo.Places {
	i := 0
	if mesh {
		i = 1
	}
	if !v.located[i] {
		v.places[i], v.located[i] = geo.Locate(v.Event, mesh), true
	}
	return &v.places[i]
}

// views are for events that only one client is asked about.
var views = sync.Pool{New: func() any { return new(View) }}
