package relay_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"

	"moa/nips/event"
	"moa/nips/nip86"
	"moa/nips/reason"
	"moa/policy"
	"moa/relay/relaytest"
)

// approving starts a relay where newcomers must be approved, and its desk works.
func approving(t *testing.T, file string, keys ...any) *managed {
	t.Helper()
	table := map[string]any{"use": "approval"}
	for i := 0; i+1 < len(keys); i += 2 {
		table[keys[i].(string)] = keys[i+1]
	}
	m := manageable(t, file, nil, table)
	fence := relaytest.NewKey(255) // of Client.Quiet
	if err := m.state.ApproveAuthor(t.Context(), shell, fence.PubKey, event.ID{}, ""); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithCancel(context.Background())
	var works sync.WaitGroup
	works.Go(func() { _ = m.desk.Run(ctx) })
	t.Cleanup(func() { end(); works.Wait() })
	return m
}

// waits publishes what is acknowledged and waits.
func waits(t *testing.T, c *relaytest.Client, events ...*event.Event) {
	t.Helper()
	for _, e := range events {
		if r := c.Send(t, e); !r.OK || !strings.HasPrefix(r.Text, "info: you are new here") {
			t.Fatalf("an event of a newcomer: %v %s", r.OK, r.Text)
		}
	}
}

func (m *managed) as(t *testing.T, k relaytest.Key) *relaytest.Client {
	t.Helper()
	c := m.Dial(t)
	c.Authenticate(t, k, c.Challenge(t))
	return c
}

// open are the events that are open for moderators, by id.
func (m *managed) open(t *testing.T) (ids []event.ID) {
	t.Helper()
	var list []nip86.EventReason
	if err := json.Unmarshal([]byte(m.done(t, warden, "listeventsneedingmoderation")), &list); err != nil {
		t.Fatal(err)
	}
	for _, one := range list {
		ids = append(ids, one.ID)
	}
	return ids
}

func (m *managed) waiting() int {
	n, _ := m.state.WaitingSize()
	return n
}

func TestWhatWaitsIsShownToItsAuthorAndModeratorsAlone(t *testing.T) {
	m := approving(t, stateFile(t))
	reader, author, moderator := m.Dial(t), m.as(t, bob), m.as(t, warden)
	reader.Stored(t, "live", `{"kinds":[1]}`)
	first, second := bob.Note(t, "first"), bob.Note(t, "second")
	waits(t, author, first, second, first) // also once more

	sees := func(who string, c *relaytest.Client, want int) {
		t.Helper()
		for _, filter := range []string{`{"kinds":[1]}`, `{"authors":["` + bob.Hex() + `"]}`, `{"ids":["` + first.ID.String() + `","` + second.ID.String() + `"]}`} {
			if got := c.Query(t, filter); len(got) != want {
				t.Errorf("%s sees %d events by %s, want %d", who, len(got), filter, want)
			}
		}
		if got := c.Query(t, `{"kinds":[1],"limit":1}`); len(got) != min(want, 1) {
			t.Errorf("%s sees %d events with a limit of 1", who, len(got))
		}
		if n := c.Count(t, `{"kinds":[1]}`); n != 0 {
			t.Errorf("%s counts %d", who, n)
		}
	}
	sees("anybody", reader, 0)
	sees("somebody else", m.as(t, dave), 0)
	sees("the author", author, 2)
	sees("a moderator", moderator, 2)
	reader.Quiet(t)
	if got := m.open(t); !slices.Contains(got, first.ID) || !slices.Contains(got, second.ID) || len(got) != 2 {
		t.Errorf("moderators have %v before them", got)
	}

	m.answers(t, warden, "true", "allowevent", first.ID.String(), "welcome")
	var live []string
	for range 2 {
		live = append(live, reader.Event(t, "live").Content)
	}
	if slices.Sort(live); !slices.Equal(live, []string{"first", "second"}) {
		t.Errorf("an approval sends %q", live)
	}
	author.Accepted(t, bob.Note(t, "third"))
	if got := reader.Event(t, "live"); got.Content != "third" {
		t.Errorf("after an approval: %s", got.Content)
	}
	if n := len(m.open(t)); n != 0 || m.waiting() != 0 {
		t.Errorf("%d are open, and %d wait", n, m.waiting())
	}
	for _, subject := range []string{bob.Hex(), first.ID.String()} {
		log, err := m.state.Changes(t.Context(), subject, 0, 10)
		if err != nil || len(log) != 1 || log[0].By != warden.Hex() || log[0].Door != "nip86" || log[0].Why != "welcome" {
			t.Errorf("the audit log about %s: %+v, %v", subject, log, err)
		}
	}
}

func TestWhatMayNotComeWaitsNoLonger(t *testing.T) {
	m := approving(t, stateFile(t))
	c := m.Dial(t)
	bad, other := bob.Note(t, "bad"), bob.Note(t, "other")
	waits(t, c, bad, other)
	m.answers(t, warden, "true", "banevent", bad.ID.String())
	c.Refused(t, bad, "blocked: ")
	if got := m.open(t); !slices.Equal(got, []event.ID{other.ID}) {
		t.Errorf("after a ban of an event, %v are open", got)
	}
	m.answers(t, warden, "true", "banpubkey", bob.Hex())
	c.Refused(t, other, "blocked: ")
	m.answers(t, warden, "true", "unbanpubkey", bob.Hex())
	if m.waiting() != 0 {
		t.Error("what waited of a banned author waits")
	}
	waits(t, c, other) // a newcomer again
	m.refuses(t, boss, 400, "", "allowevent", bad.ID.String(), strings.Repeat("x", 2000))
}

func TestNewcomersDeleteAndVanishWhatWaits(t *testing.T) {
	m := approving(t, stateFile(t))
	c := m.Dial(t)
	note, article := bob.Note(t, "oops"), bob.Sign(t, event.Event{Kind: 30023, Tags: tags([]string{"d", "x"})})
	waits(t, c, note, article)
	c.Accepted(t, bob.Sign(t, event.Event{Kind: event.KindDeletion, Tags: tags([]string{"e", note.ID.String()}, []string{"a", "30023:" + bob.Hex() + ":x"})}))
	relaytest.Eventually(t, "what was deleted waits no longer", func() bool { return m.waiting() == 0 })

	waits(t, c, dave.Note(t, "me"))
	c.Accepted(t, dave.Sign(t, event.Event{Kind: event.KindVanish, CreatedAt: m.Now().Unix() + 1, Tags: tags([]string{"relay", "ALL_RELAYS"})}))
	relaytest.Eventually(t, "what its author asked to forget waits no longer", func() bool { return m.waiting() == 0 })
	waits(t, c, note) // it comes again, from anybody
	relaytest.Eventually(t, "what was deleted before does not stay", func() bool { return m.waiting() == 0 })
}

func TestNewcomersOfOtherKinds(t *testing.T) {
	m := approving(t, stateFile(t))
	c := m.Dial(t)
	c.Refused(t, bob.Sign(t, event.Event{Kind: 20001}), "restricted: ")
	c.Accepted(t, bob.Sign(t, event.Event{Kind: 1059, Tags: tags([]string{"p", alice.Hex()})}))
	at := m.Now().Unix()
	old := bob.Sign(t, event.Event{Kind: 0, CreatedAt: at - 10, Content: `{"name":"old"}`})
	now := bob.Sign(t, event.Event{Kind: 0, CreatedAt: at, Content: `{"name":"new"}`})
	waits(t, c, old, now)
	c.Refused(t, old, "duplicate: ")
	if m.waiting() != 1 {
		t.Errorf("%d versions of a profile wait", m.waiting())
	}
	m.answers(t, warden, "true", "allowevent", now.ID.String())
	if got := c.Query(t, `{"kinds":[0]}`); len(got) != 1 || got[0].ID != now.ID {
		t.Errorf("the profile is %v", got)
	}
	c.Accepted(t, bob.Sign(t, event.Event{Kind: 20001}))
	c.Accepted(t, warden.Note(t, "moderators are nobody's newcomers"))
}

func TestMembersWaitForNobody(t *testing.T) {
	m := approving(t, stateFile(t))
	c := m.Dial(t)
	note := bob.Note(t, "hello")
	waits(t, c, note)
	m.answers(t, boss, "true", "allowpubkey", bob.Hex())
	relaytest.Eventually(t, "what waits of a new member is stored", func() bool { return m.Store.Has(note.ID) && m.waiting() == 0 })
	c.Accepted(t, bob.Note(t, "again"))
}

func TestSoMuchMayWait(t *testing.T) {
	m := approving(t, stateFile(t), "events", int64(4), "per_author", int64(2), "bytes", int64(1<<20))
	c := m.Dial(t)
	waits(t, c, bob.Note(t, "1"), bob.Note(t, "2"))
	c.Refused(t, bob.Note(t, "3"), "rate-limited: you are new here")
	waits(t, c, dave.Note(t, "1"))
	c.Refused(t, alice.Note(t, strings.Repeat("x", 1<<17)), "rate-limited: you are new here")
	waits(t, c, alice.Note(t, "1"))
	c.Refused(t, alice.Note(t, "2"), "rate-limited: too many events")
}

// What is acknowledged waits after the relay was started again, and what was approved is
// stored then if it was not before.
func TestWhatWaitsOutlivesTheRelay(t *testing.T) {
	file := stateFile(t)
	before := manageable(t, file, nil, map[string]any{"use": "approval"})
	c := before.Dial(t)
	one, other := bob.Note(t, "one"), dave.Note(t, "other")
	waits(t, c, one, other)
	if err := before.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := before.state.ApproveAuthor(t.Context(), shell, bob.PubKey, one.ID, ""); err != nil { // and no more is done
		t.Fatal(err)
	}
	if err := before.state.Close(); err != nil {
		t.Fatal(err)
	}
	m := approving(t, file)
	relaytest.Eventually(t, "what was approved is stored", func() bool { return m.Store.Has(one.ID) && m.waiting() == 1 })
	if got := m.as(t, dave).Query(t, `{}`); len(got) != 2 {
		t.Errorf("the other author sees %v", got)
	}
}

// A REQ takes what waits into its limits as it does what is stored.
func TestWhatWaitsCountsTowardLimits(t *testing.T) {
	m := approving(t, stateFile(t))
	c := m.as(t, warden)
	at := m.Now().Unix()
	var want []event.ID
	for n := range 6 {
		k := bob
		if n%2 == 0 {
			k = warden // not a newcomer
		}
		e := k.Sign(t, event.Event{Kind: 1, CreatedAt: at - int64(n), Content: fmt.Sprint(n)})
		c.Accepted(t, e)
		want = append(want, e.ID)
	}
	for limit := 1; limit <= 6; limit++ {
		var got []event.ID
		for _, e := range c.Query(t, fmt.Sprintf(`{"kinds":[1],"limit":%d}`, limit)) {
			got = append(got, e.ID)
		}
		if !slices.Equal(got, want[:limit]) {
			t.Errorf("with a limit of %d: %v", limit, got)
		}
	}
}

// relayOnly stores nothing.
type relayOnly struct{}

func (relayOnly) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{Action: policy.RelayOnly}
}

func TestWhatIsNotStoredCannotWait(t *testing.T) {
	approval := buildIn(t, policy.Env{}, []map[string]any{{"use": "approval"}})
	var link policy.Named
	for _, n := range approval.Links() {
		if n.Name == "approval" {
			link = policy.Named{Name: n.Name, Policy: n.Policy}
		}
	}
	e := bob.Note(t, "hello")
	chain := policy.NewChain(nil, link, policy.Named{Name: "live", Policy: relayOnly{}})
	client := nobody{}
	early := chain.Early(t.Context(), client, e)
	if d := chain.Late(t.Context(), client, e, early); d.Action != policy.Reject || d.Reason != reason.Restricted {
		t.Errorf("it is decided: %+v", d)
	}
	if v := chain.Hold(t.Context(), client, e, "approval"); v.Action != policy.Reject || v.Reason != reason.Error {
		t.Errorf("where nobody approves: %+v", v)
	}
	if _, so := chain.Explain(t.Context(), client, e); so.Action != policy.Reject {
		t.Errorf("it is explained: %+v", so)
	}
}

// nobody is a client of whom nothing is known.
type nobody struct{ policy.Client }

func (nobody) IP() (none netip.Addr) { return none }
