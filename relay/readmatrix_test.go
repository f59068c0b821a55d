package relay_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay"
	"moa/relay/desk"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
	"moa/store/state"
)

// This is every rule about who may read, held against every way to read: to ask
// anew (here), and to have asked before (readopen_test.go). A new rule is a row of
// readRules, a new way one of readWays.

// viewer is somebody who looks.
type viewer struct {
	name string
	key  *relaytest.Key // nil: has not authenticated
	host string         // that is connected to; "": the relay's address
	path string         // behind it
}

var (
	unauthenticated = viewer{name: "an unauthenticated client"}
	asBob           = viewer{name: "bob", key: &bob}
	asDave          = viewer{name: "dave", key: &dave}
	everyone        = []viewer{unauthenticated, asBob, asDave}
)

// atHost is an unauthenticated client at a host.
func atHost(host string) viewer {
	return viewer{name: "an unauthenticated client at " + host, host: host}
}

// atPath is an unauthenticated client at a path.
func atPath(path string) viewer {
	return viewer{name: "an unauthenticated client at " + path, path: path}
}

// readRule is what decides who sees the authors' events, which name bob and are in
// u33dc.
type readRule struct {
	name           string
	tables         []map[string]any
	link           policy.Policy // besides
	stored, fleets uint16        // kinds of events that are stored, and that are not
	sees, blind    []viewer
	before         func(t *testing.T, m *matrix) // what happens before they write
	after          func(t *testing.T, m *matrix) // what happens once they have written
	saw            []viewer                      // those that saw before that
	next           []viewer                      // those that see what is written after that; nil: as sees
	hidesMembers   bool
	erases         bool // what is to be erased can be
	keeps          bool // a sync that was open keeps the ids of what has gone
	again          bool // what has gone may be sent again
	waits          bool // what is written is not passed on
}

var readRules = []readRule{
	{name: "none", stored: 1, fleets: 20000, sees: everyone},
	{name: "private", stored: 1059, fleets: 21059, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave}},
	{
		name: "owner-only", tables: []map[string]any{{"use": "owner-only", "kinds": "30078, 20078"}},
		stored: 30078, fleets: 20078, blind: everyone,
	},
	{
		name: "readers", tables: []map[string]any{{"use": "readers", "pubkeys": []any{bob.Hex()}}},
		stored: 1, fleets: 20000, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave},
	},
	{
		name: "readers of kinds", tables: []map[string]any{{"use": "readers", "kinds": "30023, 20001", "pubkeys": []any{bob.Hex()}}},
		stored: 30023, fleets: 20001, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave},
	},
	{
		name: "auth", tables: []map[string]any{{"use": "auth", "write": false}},
		stored: 1, fleets: 20000, sees: []viewer{asBob, asDave}, blind: []viewer{unauthenticated},
	},
	{
		name: "scopes", tables: []map[string]any{{"use": "scopes", "domain": "geo.example"}},
		stored: 1, fleets: 20000, sees: []viewer{unauthenticated, atHost("u33.geo.example"), atHost("geo.example")}, blind: []viewer{atHost("9q8.geo.example")},
	},
	{
		name: "scopes by path", tables: []map[string]any{{"use": "scopes", "paths": true}},
		stored: 1, fleets: 20000, sees: []viewer{unauthenticated, atPath("/at/u33"), atPath("/at/u33dc/")}, blind: []viewer{atPath("/at/9q8"), atPath("/at/u33dd")},
	},
	{
		name: "a delivery policy", link: onlyFor{bob.PubKey},
		stored: 1, fleets: 20000, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave},
	},
	{
		name: "hidden authors", stored: 1, fleets: 20000, blind: everyone, saw: everyone,
		after: banAuthors(state.Ban{Hidden: true}, false, nil),
	},
	{
		// What they have written stays, and no more of it comes.
		name: "banned authors", stored: 1, fleets: 20000, sees: everyone, saw: everyone,
		after: banAuthors(state.Ban{}, false, nil),
	},
	{
		name: "hidden authors, let in again", stored: 1, fleets: 20000, sees: everyone, saw: everyone,
		after: func(t *testing.T, m *matrix) {
			banAuthors(state.Ban{Hidden: true}, false, nil)(t, m)
			letInAuthors(t, m)
		},
	},
	{
		name: "authors who are being erased", stored: 1, fleets: 20000, blind: everyone, saw: everyone,
		after: banAuthors(state.Ban{}, true, errCannotErase),
	},
	{
		name: "authors who were erased", stored: 1, fleets: 20000, blind: everyone, saw: everyone, erases: true,
		after: banAuthors(state.Ban{}, true, nil),
	},
	{
		// Nothing comes back by itself.
		name: "authors who were erased, let in again", stored: 1, fleets: 20000, blind: everyone, saw: everyone, next: everyone, erases: true, again: true,
		after: func(t *testing.T, m *matrix) {
			banAuthors(state.Ban{}, true, nil)(t, m)
			letInAuthors(t, m)
		},
	},
	{
		name: "hidden events", stored: 1, fleets: 20000, blind: everyone, saw: everyone, next: everyone,
		after: hideEvents,
	},
	{
		name: "hidden events, allowed again", stored: 1, fleets: 20000, sees: everyone, saw: everyone,
		after: func(t *testing.T, m *matrix) {
			hideEvents(t, m)
			allowEvents(t, m)
		},
	},
	{
		name: "events that are being removed", stored: 1, fleets: 20000, blind: everyone, saw: everyone, next: everyone,
		after: removeEvents(errCannotErase),
	},
	{
		name: "events that were removed", stored: 1, fleets: 20000, blind: everyone, saw: everyone, next: everyone, erases: true,
		after: removeEvents(nil),
	},
	{
		name: "events that were removed, allowed again", stored: 1, fleets: 20000, blind: everyone, saw: everyone, next: everyone, erases: true, again: true,
		after: func(t *testing.T, m *matrix) {
			removeEvents(nil)(t, m)
			allowEvents(t, m)
		},
	},
	{
		name: "members", tables: []map[string]any{{"use": "readers", "members": true}},
		stored: 1, fleets: 20000, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave}, before: bobJoins,
	},
	{
		name: "members with a role", tables: []map[string]any{{"use": "readers", "members": []any{"reader"}, "kinds": "30023, 20001"}},
		stored: 30023, fleets: 20001, blind: everyone, before: bobJoins,
	},
	{
		name: "a new member", tables: []map[string]any{{"use": "readers", "members": true, "kinds": "30023, 20001"}},
		stored: 30023, fleets: 20001, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave}, after: bobJoins,
	},
	{
		name: "a member who is given the role", tables: []map[string]any{{"use": "readers", "members": []any{"reader"}, "kinds": "30023, 20001"}},
		stored: 30023, fleets: 20001, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave}, before: bobJoins,
		after: func(t *testing.T, m *matrix) {
			if err := m.desk.AssignRole(t.Context(), shell, bob.PubKey, "reader"); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name: "a member who loses the role", tables: []map[string]any{{"use": "readers", "members": []any{"reader"}, "kinds": "30023, 20001"}},
		stored: 30023, fleets: 20001, blind: everyone, saw: []viewer{asBob},
		before: func(t *testing.T, m *matrix) {
			bobJoins(t, m)
			if err := m.desk.AssignRole(t.Context(), shell, bob.PubKey, "reader"); err != nil {
				t.Fatal(err)
			}
		},
		after: func(t *testing.T, m *matrix) {
			if err := m.desk.UnassignRole(t.Context(), shell, bob.PubKey, "reader"); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name: "an expelled member of a relay for members", tables: []map[string]any{{"use": "readers", "members": true}},
		stored: 1, fleets: 20000, blind: everyone, saw: []viewer{asBob}, before: bobJoins,
		after: func(t *testing.T, m *matrix) {
			if err := m.desk.RemoveMember(t.Context(), shell, bob.PubKey, ""); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name: "an expelled member", tables: []map[string]any{{"use": "readers", "members": true, "kinds": "30023, 20001"}},
		stored: 30023, fleets: 20001, blind: everyone, saw: []viewer{asBob}, before: bobJoins,
		after: func(t *testing.T, m *matrix) {
			if err := m.desk.RemoveMember(t.Context(), shell, bob.PubKey, ""); err != nil {
				t.Fatal(err)
			}
		},
	},
	{
		name: "hidden lists of members", tables: []map[string]any{{"use": "relay-kinds", "own": ""}}, hidesMembers: true,
		stored: 8000, fleets: 8001, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave}, before: bobJoins,
	},
	{
		name: "events that wait for approval", tables: []map[string]any{{"use": "approval"}}, waits: true,
		stored: 1, fleets: 30023, blind: everyone,
	},
	{name: "vanished", stored: 1, fleets: 20000, blind: everyone, saw: everyone, next: everyone, after: vanishAuthors, keeps: true},
}

// onlyFor shows everything to one person.
type onlyFor struct{ event.PubKey }

func (onlyFor) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}
func (onlyFor) DeliveryKinds() []uint16 { return nil }
func (p onlyFor) Deliver(c policy.Client, _ *policy.View) bool {
	return slices.Contains(c.Authed(), p.PubKey)
}

// matrix is a relay with one rule, and what the authors have written.
type matrix struct {
	*relaytest.Relay
	chain   *policy.Chain
	desk    *desk.Desk
	stored  uint16
	fleets  uint16
	waits   bool
	nth     int
	written []*event.Event
}

// authors are as many as a cell must have to be shown.
var authors = []relaytest.Key{relaytest.NewKey(41), relaytest.NewKey(42), relaytest.NewKey(43)}

// write has each author write an event of that kind, and waits until it has been
// passed on.
func (m *matrix) write(t *testing.T, kind uint16) {
	t.Helper()
	if n := m.tryWrite(t, kind); n != len(authors) {
		t.Fatalf("%d of %d were accepted", n, len(authors))
	}
}

// tryWrite is write where some may be refused. It returns how many were accepted.
func (m *matrix) tryWrite(t *testing.T, kind uint16) (accepted int) {
	t.Helper()
	w := m.Dial(t)
	defer w.Close()
	before := m.Metric(t, "moa_fanout_seconds")
	for _, k := range authors {
		m.nth++
		e := k.Sign(t, event.Event{
			Kind: kind, CreatedAt: time.Now().Unix() - 30, Content: fmt.Sprintf("secret %03d.", m.nth),
			Tags: tags([]string{"d", fmt.Sprint(m.nth)}, []string{"g", "u33dc"}, []string{"p", bob.Hex()}),
		})
		if w.Send(t, e).OK {
			accepted++
		}
		m.written = append(m.written, e)
	}
	m.passed(t, before, accepted)
	return accepted
}

// passed waits until n events more than before have been passed on.
func (m *matrix) passed(t *testing.T, before float64, n int) {
	t.Helper()
	if m.waits {
		return
	}
	relaytest.Eventually(t, "they are passed on", func() bool { return m.Metric(t, "moa_fanout_seconds") >= before+float64(n) })
}

// leaks reports whether a text shows one of the events.
func (m *matrix) leaks(text string) bool {
	return slices.ContainsFunc(m.written, func(e *event.Event) bool {
		return strings.Contains(text, e.ID.String()) || strings.Contains(text, e.Content)
	})
}

// answers says something and hears until the verbs that end an answer.
func answers(t *testing.T, c *relaytest.Client, message string, until ...wire.Verb) (all []string) {
	t.Helper()
	c.Say(t, "%s", message)
	for {
		m := c.Next(t)
		all = append(all, m)
		r, err := wire.ParseReply([]byte(m))
		if err != nil {
			t.Fatal(err)
		}
		if slices.Contains(until, r.Verb) {
			return all
		}
	}
}

// readWays are the ways to read. Each says whether it shows the events.
var readWays = []struct {
	name string
	http bool // is asked by nobody in particular
	live bool // is about events that are written now
	less bool // does not show all that may be seen
	sees func(t *testing.T, m *matrix, v viewer, c *relaytest.Client) bool
}{
	{name: "REQ", sees: req(func(m *matrix) string { return fmt.Sprintf(`{"kinds":[%d]}`, m.stored) })},
	{name: "REQ of everything, as an export", sees: req(func(*matrix) string { return `{}` })},
	{name: "REQ by id", sees: req(func(m *matrix) string { return `{"ids":["` + m.written[0].ID.String() + `"]}` })},
	{name: "REQ of a region", sees: req(func(*matrix) string { return `{"#g":["u3*"]}` })},
	{name: "REQ of minutes ago", sees: req(func(m *matrix) string {
		return fmt.Sprintf(`{"kinds":[%d],"#g":["u33dc"],"since":1}`, m.fleets)
	})},
	{name: "live", live: true, sees: func(t *testing.T, m *matrix, _ viewer, c *relaytest.Client) bool {
		answers(t, c, `["REQ","live",{"#p":["`+bob.Hex()+`"],"limit":0}]`, wire.EOSE, wire.Closed)
		m.write(t, m.stored)
		m.write(t, m.fleets)
		return m.leaks(strings.Join(answers(t, c, `["NONE"]`, wire.Notice), ""))
	}},
	{name: "COUNT", sees: func(t *testing.T, m *matrix, _ viewer, c *relaytest.Client) bool {
		all := answers(t, c, fmt.Sprintf(`["COUNT","c",{"kinds":[%d]}]`, m.stored), wire.Count, wire.Closed)
		last := all[len(all)-1]
		return strings.HasPrefix(last, `["COUNT"`) && !strings.Contains(last, `"count":0`)
	}},
	{name: "COUNT by id", sees: func(t *testing.T, m *matrix, _ viewer, c *relaytest.Client) bool {
		all := answers(t, c, `["COUNT","c",{"ids":["`+m.written[0].ID.String()+`"]}]`, wire.Count, wire.Closed)
		return strings.Contains(all[len(all)-1], `"count":1`)
	}},
	{name: "COUNT with a sketch of the authors", sees: func(t *testing.T, m *matrix, _ viewer, c *relaytest.Client) bool {
		all := answers(t, c, fmt.Sprintf(`["COUNT","c",{"kinds":[%d],"#p":[%q]}]`, m.stored, bob.Hex()), wire.Count, wire.Closed)
		r, err := wire.ParseReply([]byte(all[len(all)-1]))
		return err != nil || r.Verb == wire.Count && (r.Count > 0 || !strings.Contains(all[len(all)-1], `"hll":"`+strings.Repeat("0", 512)+`"`))
	}},
	{name: "EVENT that is there", less: true, sees: func(t *testing.T, m *matrix, _ viewer, c *relaytest.Client) bool {
		return strings.HasPrefix(c.Send(t, forged(t, m.written[0])).Text, "duplicate: ")
	}},
	{name: "NEG", sees: func(t *testing.T, m *matrix, _ viewer, c *relaytest.Client) bool {
		all := answers(t, c, fmt.Sprintf(`["NEG-OPEN","n",{"kinds":[%d]},"6100000200"]`, m.stored), wire.NegMsg, wire.NegErr)
		c.Say(t, `["NEG-CLOSE","n"]`)
		return m.leaks(all[len(all)-1])
	}},
	{name: "/geo/events", http: true, sees: page("/geo/events?near=52.5,13.4&km=300")},
	{name: "/geo/events of minutes ago", http: true, sees: page("/geo/events?near=52.5,13.4&km=300&since=1&kinds=20000,20001,21059")},
	{name: "/geo/cells", http: true, sees: func(t *testing.T, m *matrix, v viewer, _ *relaytest.Client) bool {
		return strings.Contains(httpBody(t, m, v, "/geo/cells?since=1"), "u33d")
	}},
	{name: "the landing page", http: true, less: true, sees: func(t *testing.T, m *matrix, v viewer, _ *relaytest.Client) bool {
		return m.leaks(httpBody(t, m, v, v.path+"/"))
	}},
	{name: "the map", http: true, less: true, sees: page("/geo")},
	{name: "nodeinfo", http: true, less: true, sees: page("/nodeinfo/2.1")},
	{name: "the metrics", http: true, less: true, sees: page("/metrics")},
}

// req is a way to read by a REQ.
func req(filter func(*matrix) string) func(*testing.T, *matrix, viewer, *relaytest.Client) bool {
	return func(t *testing.T, m *matrix, _ viewer, c *relaytest.Client) bool {
		all := answers(t, c, `["REQ","q",`+filter(m)+`]`, wire.EOSE, wire.Closed)
		c.Say(t, `["CLOSE","q"]`)
		return m.leaks(strings.Join(all, ""))
	}
}

func page(path string) func(*testing.T, *matrix, viewer, *relaytest.Client) bool {
	return func(t *testing.T, m *matrix, v viewer, _ *relaytest.Client) bool {
		return m.leaks(httpBody(t, m, v, path))
	}
}

func httpBody(t *testing.T, m *matrix, v viewer, path string) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "http://"+m.Addr+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Host = v.host
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// startMatrix starts a relay with that rule.
func startMatrix(t *testing.T, rule *readRule) *matrix {
	t.Helper()
	m := &matrix{stored: rule.stored, fleets: rule.fleets, waits: rule.waits}
	st := memstore.New()
	m.desk = newDesk(t, m, st, rule.erases)
	env := envOn(st)
	env.Decided, env.Members, env.Waiting, env.HideMembers = m.desk.Decided(), m.desk.Decided(), m.desk.Decided(), rule.hidesMembers
	m.chain = buildIn(t, env, rule.tables)
	if rule.link != nil {
		m.chain = policy.NewChain(nil, append(slices.Clone(m.chain.Links()), policy.Named{Name: "besides", Policy: rule.link})...)
	}
	m.Relay = relaytest.Start(t, relaytest.Options{Store: st, Chain: m.chain, Config: func(cfg *relay.Config) {
		overHTTP(cfg)
		cfg.Geo.Replay, cfg.Geo.ReplayKinds = time.Hour, []int{20000, 20001, 21059}
	}})
	if rule.before != nil {
		rule.before(t, m)
	}
	return m
}

func TestEveryRuleHoldsForEveryWayToRead(t *testing.T) {
	for _, rule := range readRules {
		t.Run(rule.name, func(t *testing.T) {
			m := startMatrix(t, &rule)
			m.write(t, rule.stored)
			m.write(t, rule.fleets)
			if rule.after != nil {
				rule.after(t, m)
			}
			for _, v := range append(slices.Clone(rule.sees), rule.blind...) {
				may := slices.Contains(rule.sees, v)
				for _, way := range readWays {
					if way.live && rule.after != nil || way.http && (v.key != nil || v.path != "" && !way.less) {
						continue
					}
					c := m.connect(t, v)
					if got := way.sees(t, m, v, c); got != may && (got || !way.less) {
						t.Errorf("%s of %s: %v", way.name, v.name, got)
					}
					c.Close()
				}
			}
		})
	}
}

func (m *matrix) connect(t *testing.T, v viewer) *relaytest.Client {
	t.Helper()
	if v.host != "" {
		return m.Dial(t, "Host", v.host)
	}
	c := relaytest.Dial(t, m.URL+v.path)
	if v.key != nil {
		c.Authenticate(t, *v.key, c.Challenge(t))
	}
	return c
}

// shell is an operator at the machine.
var shell = state.Actor{Door: "shell"}

var errCannotErase = errors.New("nothing can be erased")

// newDesk is the desk of m; one that does not erase never comes to it.
func newDesk(t *testing.T, m *matrix, stored store.Store, erases bool) *desk.Desk {
	t.Helper()
	st, err := state.Open(t.Context(), state.Options{Path: filepath.Join(t.TempDir(), state.File)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	deps := desk.Deps{
		State:   st,
		Changed: func() { m.Server.Decided(t.Context()) },
		Stored:  func(context.Context, *event.Filter, func(*event.Event) error) error { return errCannotErase },
		Remove:  func(context.Context, []event.ID) (int, error) { return 0, errCannotErase },
	}
	if erases {
		deps.Stored = storedIn(stored)
		deps.Remove = func(ctx context.Context, ids []event.ID) (int, error) { return m.Server.Remove(ctx, ids) }
		deps.Forget = func(author event.PubKey) { m.Server.Forget(author) }
	}
	return desk.New(deps)
}

// banAuthors bans the authors, and fails so.
func banAuthors(ban state.Ban, erase bool, fails error) func(*testing.T, *matrix) {
	return func(t *testing.T, m *matrix) {
		for _, k := range authors {
			if _, err := m.desk.BanAuthor(t.Context(), shell, k.PubKey, ban, erase); !errors.Is(err, fails) {
				t.Fatal(err)
			}
		}
	}
}

func letInAuthors(t *testing.T, m *matrix) {
	for _, k := range authors {
		if err := m.desk.UnbanAuthor(t.Context(), shell, k.PubKey, ""); err != nil {
			t.Fatal(err)
		}
	}
}

func allowEvents(t *testing.T, m *matrix) {
	for _, e := range m.written {
		if err := m.desk.AllowEvent(t.Context(), shell, e.ID, ""); err != nil {
			t.Fatal(err)
		}
	}
}

func hideEvents(t *testing.T, m *matrix) {
	for _, e := range m.written {
		if err := m.desk.HideEvent(t.Context(), shell, e.ID, ""); err != nil {
			t.Fatal(err)
		}
	}
}

// removeEvents removes what was written, and fails so.
func removeEvents(fails error) func(*testing.T, *matrix) {
	return func(t *testing.T, m *matrix) {
		for _, e := range m.written {
			if _, err := m.desk.RemoveEvent(t.Context(), shell, e.ID, ""); !errors.Is(err, fails) {
				t.Fatal(err)
			}
		}
	}
}

// bobJoins makes bob a member, and the reader's role is there.
func bobJoins(t *testing.T, m *matrix) {
	err := m.desk.CreateRole(t.Context(), shell, state.Role{ID: "reader"})
	if err = errors.Join(err, m.desk.AddMember(t.Context(), shell, state.Membership{PubKey: bob.PubKey})); err != nil {
		t.Fatal(err)
	}
}

func vanishAuthors(t *testing.T, m *matrix) {
	w := m.Dial(t)
	defer w.Close()
	before := m.Metric(t, "moa_fanout_seconds")
	defer m.passed(t, before, len(authors))
	for _, k := range authors {
		w.Accepted(t, k.Sign(t, event.Event{Kind: event.KindVanish, Tags: tags([]string{"relay", "ALL_RELAYS"})}))
	}
}
