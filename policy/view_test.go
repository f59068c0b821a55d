package policy_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/geo"
	"moa/policy"
	"moa/policy/policytest"
)

// A View says of an event what a walk of its tags says, in whatever order it is
// asked, and also if it was of another event before.
func TestViewSaysWhatTheTagsSay(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	key := func() (pk event.PubKey) { pk[0], pk[31] = byte(r.IntN(20)), byte(r.IntN(3)); return pk }
	v := new(policy.View)
	for range 500 {
		e := event.Event{Kind: 1059}
		var named []event.PubKey
		for range r.IntN(40) {
			pk := key()
			switch r.IntN(6) {
			case 0:
				e.Tags = append(e.Tags, event.Tag{"P", pk.String()}, event.Tag{"p"})
			case 1:
				e.Tags = append(e.Tags, event.Tag{"p", pk.String()[1:]}, event.Tag{"p", strings.ToUpper(pk.String()) + "A"})
			case 2:
				e.Tags = append(e.Tags, event.Tag{"g", "u33dc"}, event.Tag{"r", "9q8yy"})
			default:
				e.Tags = append(e.Tags, event.Tag{"p", pk.String(), "wss://relay"})
				named = append(named, pk)
			}
		}
		v.Of(policytest.Event(e))
		for range 10 {
			keys := []event.PubKey{key(), key(), key()}[:r.IntN(4)]
			want := slices.ContainsFunc(keys, func(pk event.PubKey) bool { return slices.Contains(named, pk) })
			if got := v.Mentions(keys); got != want {
				t.Fatalf("%v of %s: %v", keys, v.Raw, got)
			}
		}
		for _, mesh := range []bool{true, false, true} {
			if got, want := v.Places(mesh), geo.Locate(v.Event, mesh); *got != want {
				t.Fatalf("%+v, want %+v", got, want)
			}
		}
	}
}

// However many clients an event is shown to, its tags are walked once.
func TestViewWalksTheTagsOnce(t *testing.T) {
	bob := policytest.Key(2)
	e := policytest.Event(event.Event{Kind: 1059, Tags: []event.Tag{{"p", policytest.Key(1).String()}, {"p", bob.String()}, {"g", "u33dc"}}})
	for _, more := range []int{0, 100} {
		for i := range more {
			e.Tags = append(e.Tags, event.Tag{"p", policytest.Key(byte(10 + i)).String()})
		}
		v, want := new(policy.View), geo.Locate(e, false)
		v.Of(e)
		v.Mentions([]event.PubKey{policytest.Key(1)})
		v.Places(false)
		tags := e.Tags
		e.Tags = nil // what is asked from here on is known
		if !v.Mentions([]event.PubKey{bob}) || v.Mentions([]event.PubKey{policytest.Key(9)}) || *v.Places(false) != want {
			t.Errorf("with %d tags more they are walked again", more)
		}
		e.Tags = tags
	}
}

// What one reader more costs does not grow with the event's tags, nor with more
// than the number of the reader's identities.
func BenchmarkShows(b *testing.B) {
	chain := policy.NewChain(nil, policy.Named{Name: "mentioned", Policy: mentioned{}})
	for _, tags := range []int{1, 5000} {
		e := event.Event{Kind: 1059}
		for i := range tags {
			e.Tags = append(e.Tags, event.Tag{"p", fmt.Sprintf("%064x", i+1)})
		}
		wrap := policytest.Event(e)
		for _, identities := range []int{1, 64} {
			c := &policytest.Client{}
			for i := range identities {
				c.Keys = append(c.Keys, policytest.Key(byte(i+1)))
			}
			for _, readers := range []int{1, 1000} {
				b.Run(fmt.Sprintf("tags=%d/identities=%d/readers=%d", tags, identities, readers), func(b *testing.B) {
					v := new(policy.View)
					b.ReportAllocs()
					for b.Loop() {
						v.Of(wrap)
						for range readers {
							if chain.Shows(c, v) {
								b.Fatal("shown to an unauthenticated client")
							}
						}
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*readers), "ns/reader")
				})
			}
		}
	}
}

// mentioned shows events to the people in p tags.
type mentioned struct{ link }

func (mentioned) DeliveryKinds() []uint16                      { return nil }
func (mentioned) Deliver(c policy.Client, e *policy.View) bool { return e.Mentions(c.Authed()) }
