package bench

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"

	"moa/nips/event"
)

// The classes of queries, as clients send them.
const (
	Home          = "home"          // notes of everybody one follows
	Profile       = "profile"       // notes of one author
	Thread        = "thread"        // what answers a note
	Notifications = "notifications" // what names one person, of the last days
	IDs           = "ids"           // quoted notes
	Metadata      = "metadata"      // profiles of the authors on the screen
	Addressable   = "addressable"   // one document
	Hashtag       = "hashtag"
	Global        = "global" // the newest notes, or a page further back
)

// classWeights is how often clients send each, out of 100.
var classWeights = map[string]int{Home: 15, Profile: 10, Thread: 15, Notifications: 10, IDs: 15, Metadata: 20, Addressable: 5, Hashtag: 5, Global: 5}

// Classes returns the names of all query classes.
func Classes() []string { return slices.Sorted(maps.Keys(classWeights)) }

func parseClasses(names []string) ([]string, error) {
	if len(names) == 0 {
		return Classes(), nil
	}
	for _, n := range names {
		if classWeights[n] == 0 {
			return nil, fmt.Errorf("there is no query class %q: have %s", n, strings.Join(Classes(), ", "))
		}
	}
	return names, nil
}

// query is a prepared REQ and its answer.
type query struct {
	class  string
	filter *event.Filter
	tail   []byte  // the REQ after its subscription id
	want   []int32 // numbers of the events that must come, in order
	// likely is what an answer will be: want, or the last answer in which there
	// was no fault.
	likely atomic.Pointer[[]piece]
}

// asks composes queries about the people and events of a view.
type asks struct {
	*view
	*rand.Rand
	s      *Session
	notes  []int32
	others []int32 // everything shown but notes
}

func (s *Session) asks(v *view, seed uint64) *asks {
	a := &asks{view: v, Rand: rand.New(rand.NewPCG(seed, 77)), s: s}
	for i, e := range v.events {
		if v.shown[i] == must && e.Kind == event.KindNote {
			a.notes = append(a.notes, int32(i))
		} else if v.shown[i] == must {
			a.others = append(a.others, int32(i))
		}
	}
	return a
}

// pool prepares n different queries of each class. Everything about the answer
// is worked out here, so that the load itself costs the generator little.
func (a *asks) pool(classes []string, n int) []*query {
	var out []*query
	for _, class := range classes {
		for range n {
			f := a.filter(class)
			if most := a.s.Info.Limits.Limit; most > 0 && f.HasLimit && !a.s.IgnoreLimits {
				f.Limit = min(f.Limit, most)
			}
			q := &query{class: class, filter: f, want: a.expect(f)}
			q.likely.Store(new(a.pieces(q.want)))
			q.tail = append(append(append(q.tail, `",`...), f.Append(nil)...), ']')
			out = append(out, q)
		}
	}
	return out
}

// popular draws a person, the busy ones with preference.
func (a *asks) popular() int {
	n := max(1, len(a.s.Corpus.People))
	return min(a.IntN(n), a.IntN(n), a.IntN(n))
}

func (a *asks) pubKey() event.PubKey {
	if len(a.s.Corpus.People) == 0 {
		return event.PubKey{}
	}
	return a.s.Corpus.People[a.popular()].PubKey
}

func (a *asks) pubKeys(n int) []event.PubKey {
	out := make([]event.PubKey, 0, n)
	for range n {
		out = append(out, a.pubKey())
	}
	return sorted(out, event.ComparePubKeys)
}

// someone returns the number of a note, or of any event if there is none.
func (a *asks) someone() *event.Event {
	switch {
	case len(a.notes) > 0:
		return a.events[a.notes[a.IntN(len(a.notes))]]
	case len(a.others) > 0:
		return a.events[a.others[a.IntN(len(a.others))]]
	}
	return &event.Event{}
}

func (a *asks) filter(class string) *event.Filter {
	switch class {
	case Home:
		follows := a.follows()
		follows = sorted(slices.Clone(follows[:min(len(follows), 500)]), event.ComparePubKeys)
		return limited(&event.Filter{Authors: follows, Kinds: []uint16{event.KindNote, event.KindRepost}}, 100+50*a.IntN(9))
	case Profile:
		return limited(&event.Filter{Authors: []event.PubKey{a.pubKey()}, Kinds: []uint16{event.KindNote, event.KindRepost, 30023}}, 50)
	case Thread:
		return limited(&event.Filter{
			Kinds: []uint16{event.KindNote, event.KindRepost, event.KindReaction, 1111, event.KindZapReceipt},
			Tags:  []event.TagFilter{{Name: 'e', Values: []string{a.someone().ID.String()}}},
		}, 200)
	case Notifications:
		return limited(&event.Filter{
			Kinds: []uint16{event.KindNote, event.KindRepost, event.KindReaction, event.KindZapReceipt}, Since: max(0, a.newest()-7*24*3600),
			Tags: []event.TagFilter{{Name: 'p', Values: []string{a.pubKey().String()}}},
		}, 100)
	case IDs:
		ids := make([]event.ID, 0, 20)
		for range 1 + a.IntN(20) {
			ids = append(ids, a.someone().ID)
		}
		return &event.Filter{IDs: sorted(ids, event.CompareIDs)}
	case Metadata:
		return &event.Filter{Authors: a.pubKeys(1 + a.IntN(50)), Kinds: []uint16{event.KindMetadata}}
	case Addressable:
		return a.document()
	case Hashtag:
		return limited(&event.Filter{Kinds: []uint16{event.KindNote}, Tags: []event.TagFilter{{Name: 't', Values: sorted(a.hashtags(), strings.Compare)}}}, 100)
	case Global:
		f := limited(&event.Filter{Kinds: []uint16{event.KindNote}}, 100)
		if a.IntN(2) == 0 {
			f.Until, f.HasUntil = a.someone().CreatedAt, true
		}
		return f
	}
	panic("bench: no query class " + class)
}

// follows is whom a popular person follows; of a file, not everybody's list is
// known.
func (a *asks) follows() []event.PubKey {
	for range min(50, len(a.s.Corpus.People)) {
		if list := a.s.Corpus.Follows(a.popular()); len(list) >= 20 {
			return list
		}
	}
	return a.pubKeys(150)
}

func (a *asks) newest() int64 {
	if len(a.notes) == 0 {
		return a.s.Corpus.Config.Base
	}
	return a.events[a.notes[len(a.notes)-1]].CreatedAt
}

// document asks for one addressable event, or for one that nobody wrote.
func (a *asks) document() *event.Filter {
	f := &event.Filter{Authors: []event.PubKey{a.pubKey()}, Kinds: []uint16{30078}, Tags: []event.TagFilter{{Name: 'd', Values: []string{"app/settings-0"}}}}
	for range 50 {
		if len(a.others) == 0 {
			break
		}
		e := a.events[a.others[a.IntN(len(a.others))]]
		if event.Addressable(e.Kind) {
			f.Authors[0], f.Kinds[0], f.Tags[0].Values[0] = e.PubKey, e.Kind, e.D()
			break
		}
	}
	return f
}

// hashtags returns one to three that are used.
func (a *asks) hashtags() []string {
	out := []string{"nostr"}
	for range 50 {
		if v, ok := a.someone().Value("t"); ok {
			if out = append(out, v); a.IntN(2) == 0 || len(out) > 3 {
				break
			}
		}
	}
	return out[min(1, len(out)-1):]
}

func limited(f *event.Filter, n int) *event.Filter {
	f.Limit, f.HasLimit = n, true
	return f
}

// sorted returns the list as a Filter wants it: sorted, each value once.
func sorted[T comparable](list []T, compare func(a, b T) int) []T {
	slices.SortFunc(list, compare)
	return slices.Compact(list)
}
