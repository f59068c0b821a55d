package relay_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay/relaytest"
)

// deletion signs a kind 5.
func deletion(t *testing.T, k relaytest.Key, at int64, list ...[]string) *event.Event {
	return k.Sign(t, event.Event{Kind: 5, CreatedAt: at, Tags: tags(list...)})
}

func eTag(e *event.Event) []string { return []string{"e", e.ID.String()} }

func TestNIP09DeletionByID(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c, live := r.Dial(t), r.Dial(t)
		live.Stored(t, "del", `{"kinds":[5]}`)
		own, foreign, stays := alice.Note(t, "own"), bob.Note(t, "foreign"), alice.Note(t, "stays")
		c.Accepted(t, own, foreign, stays)
		d := deletion(t, alice, 0, eTag(own), eTag(foreign), []string{"k", "1"})
		c.Accepted(t, d) // NIP09.2: mixed targets
		sameIDs(t, "NIP09.1, 9 live", []*event.Event{live.Event(t, "del")}, d)
		sameIDs(t, "NIP09.2 foreign", c.Query(t, `{"authors":["`+bob.Hex()+`"]}`), foreign)
		sameIDs(t, "NIP09.2 own", c.Query(t, `{"ids":["`+own.ID.String()+`"]}`))
		sameIDs(t, "NIP09.4 a k tag alone deletes nothing", c.Query(t, `{"ids":["`+stays.ID.String()+`"]}`), stays)
		sameIDs(t, "NIP09.1 served", c.Query(t, `{"kinds":[5]}`), d)
		if n := c.Count(t, `{"kinds":[1]}`); n != 2 {
			t.Errorf("NIP09.9: counted %d", n)
		}
		c.Refused(t, own, "blocked: ") // NIP09.5
		again := deletion(t, alice, 0, eTag(d))
		c.Accepted(t, again) // NIP09.7
		if got := c.Query(t, `{"kinds":[5]}`); len(got) != 2 {
			t.Errorf("NIP09.7: %s", list(got))
		}
		c.Refused(t, own, "blocked: ")
	})
}

func TestNIP09DeletionBeforeTheTarget(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		e := alice.Note(t, "late")
		c.Accepted(t, deletion(t, bob, 0, eTag(e)))
		c.Accepted(t, e) // NIP09.6: another author blocks nothing
		f := alice.Note(t, "later")
		c.Accepted(t, deletion(t, alice, 0, eTag(f)))
		c.Refused(t, f, "blocked: ") // NIP09.4
	})
}

func TestNIP09DeletionByAddress(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		version := func(k relaytest.Key, kind uint16, d string, at int64) *event.Event {
			return k.Sign(t, event.Event{Kind: kind, CreatedAt: at, Tags: tags([]string{"d", d})})
		}
		for i, a := range []struct {
			kind    uint16
			d, addr string
		}{
			{30000, "x", "30000:%s:x"},
			{30001, "a:b:c", "30001:%s:a:b:c"},
			{0, "", "0:%s:"},
			{10002, "", "10002:%s:"},
		} {
			name := fmt.Sprintf("NIP09.3 %s", a.addr)
			at := int64(1000 + 100*i)
			old, same, newer := version(alice, a.kind, a.d, at), version(alice, a.kind, a.d, at+10), version(alice, a.kind, a.d, at+11)
			other := version(bob, a.kind, a.d, at)
			c.Accepted(t, same, other)
			addr := func(k relaytest.Key) []string { return []string{"a", fmt.Sprintf(a.addr, k.Hex())} }
			c.Accepted(t, deletion(t, bob, at+50, addr(alice)))
			filter := fmt.Sprintf(`{"kinds":[%d],"authors":["%s"]}`, a.kind, alice.Hex())
			sameIDs(t, name+" by another", c.Query(t, filter), same)
			c.Accepted(t, deletion(t, alice, at+10, addr(alice), addr(bob)))
			sameIDs(t, name, c.Query(t, filter))
			sameIDs(t, name+" of another", c.Query(t, fmt.Sprintf(`{"kinds":[%d],"authors":["%s"]}`, a.kind, bob.Hex())), other)
			c.Refused(t, old, "blocked: ")
			c.Refused(t, same, "blocked: ")
			c.Accepted(t, newer)
			sameIDs(t, name+" newer", c.Query(t, filter), newer)
		}
	})
}

func TestNIP09WhoReceivesAWrapMayDeleteIt(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		wrap := carol.Sign(t, event.Event{Kind: 1059, Tags: tags([]string{"p", bob.Hex()})})
		kept := carol.Sign(t, event.Event{Kind: 1059, Content: "2", Tags: tags([]string{"p", bob.Hex()})})
		c.Accepted(t, wrap, kept)
		c.Accepted(t, deletion(t, alice, 0, eTag(kept)))
		c.Accepted(t, deletion(t, bob, 0, eTag(wrap)))
		c.Authenticate(t, bob, c.Challenge(t))
		sameIDs(t, "NIP09.8", c.Query(t, `{"kinds":[1059]}`), kept)
		c.Refused(t, wrap, "blocked: ")
	})
}

// What a kind 5 names that is not there, or is no id and no address, does no harm:
// it is stored and served like any other (NIP09.1).
func TestNIP09OddTargets(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		note := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 1000})
		article := alice.Sign(t, event.Event{Kind: 30023, CreatedAt: 1000, Tags: tags([]string{"d", "x"})})
		profile := alice.Sign(t, event.Event{Kind: 0, CreatedAt: 1000})
		c.Accepted(t, note, article, profile)
		var all []*event.Event
		for i, target := range [][]string{
			{"e"},
			{"e", ""},
			{"e", "x"},
			{"e", strings.ToUpper(note.ID.String())},
			{"e", note.ID.String()[:63]},
			{"e", note.ID.String() + "0"},
			{"E", note.ID.String()},
			{"a"},
			{"a", ""},
			{"a", "30023"},
			{"a", "30023:" + alice.Hex()},
			{"a", "30023:" + alice.Hex() + ":X"},
			{"a", "30023:" + strings.ToUpper(alice.Hex()) + ":x"},
			{"a", "x:" + alice.Hex() + ":x"},
			{"a", "-1:" + alice.Hex() + ":x"},
			{"a", "65536:" + alice.Hex() + ":x"},
			{"a", "030023:" + alice.Hex() + ":x"},
			{"a", "1:" + alice.Hex() + ":"},
			{"a", "1:" + alice.Hex() + ":x"},
			{"a", "0:" + bob.Hex() + ":"},
			{"a", "::"},
			{"k", "1"},
			{"k", "30023"},
			{"p", alice.Hex()},
			{"e", hex64("0")},
			{"a", "30023:" + alice.Hex() + ":y"},
		} {
			d := deletion(t, alice, int64(2000+i), target)
			c.Accepted(t, d)
			all = append([]*event.Event{d}, all...)
		}
		c.Accepted(t, deletion(t, bob, 5000)) // without any target
		sameIDs(t, "NIP09.1", c.Query(t, `{"kinds":[5],"authors":["`+alice.Hex()+`"]}`), all...)
		if got := c.Query(t, `{"kinds":[0,1,30023]}`); len(got) != 3 {
			t.Errorf("NIP09.2 to 4: left are %s", list(got))
		}
	})
}

// A version that is gone bars its address no more: a profile that was dated too far
// ahead, by a wrong clock or in milliseconds, can be taken back by its id. What a
// newer version took the place of does not return (NIP01.13).
func TestNIP09ADeletedVersionBarsNothing(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		if err := r.Server.Reload(relaytest.Config(), anyTime(t)); err != nil {
			t.Fatal(err)
		}
		c := r.Dial(t)
		for _, kind := range []uint16{0, 30023} {
			version := func(at int64, more ...[]string) *event.Event {
				return alice.Sign(t, event.Event{Kind: kind, CreatedAt: at, Tags: tags(more...)})
			}
			first, second, wrong, right := version(1000), version(1001), version(1_700_000_000_000), version(1_700_000_000)
			c.Accepted(t, first, second, wrong)
			c.Refused(t, right, "duplicate: a newer version")
			c.Accepted(t, deletion(t, alice, 0, eTag(wrong)))
			c.Refused(t, second, "duplicate: a newer version")
			c.Accepted(t, right)
			c.Refused(t, wrong, "blocked: ")
			expiring := version(1_800_000_000, []string{"expiration", fmt.Sprint(r.Now().Unix() + 50)})
			c.Accepted(t, expiring)
			r.Advance(100 * time.Second)
			better := version(1_750_000_000)
			c.Accepted(t, better)
			c.Refused(t, right, "duplicate: a newer version")
			sameIDs(t, fmt.Sprint("kind ", kind), c.Query(t, fmt.Sprintf(`{"kinds":[%d]}`, kind)), better)
		}
	})
}

// A deletion goes as far back as its own time and no further, by address; by id
// it does not ask for times (NIP09.3, 4).
func TestNIP09TimesOfDeletions(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		c := r.Dial(t)
		later := alice.Sign(t, event.Event{Kind: 1, CreatedAt: 3000})
		article := alice.Sign(t, event.Event{Kind: 30023, CreatedAt: 3000, Tags: tags([]string{"d", "x"})})
		c.Accepted(t, later, article, deletion(t, alice, 2000, eTag(later), []string{"a", "30023:" + alice.Hex() + ":x"}))
		sameIDs(t, "NIP09.2 by id", c.Query(t, `{"kinds":[1]}`))
		sameIDs(t, "NIP09.3 a newer version", c.Query(t, `{"kinds":[30023]}`), article)
		c.Accepted(t, deletion(t, alice, 2500, eTag(article))) // by id it goes
		sameIDs(t, "NIP09.2 a version by its id", c.Query(t, `{"kinds":[30023]}`))
		c.Refused(t, article, "blocked: ")
		c.Accepted(t, alice.Sign(t, event.Event{Kind: 30023, CreatedAt: 3001, Tags: tags([]string{"d", "x"})}))
	})
}
