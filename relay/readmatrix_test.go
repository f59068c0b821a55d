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
	"moa/store/memstore"
	"moa/store/state"
)

// This is every rule about who may read, held against every way to read. A new
// rule is a row of readRules, a new way one of readWays.

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
)

// atHost is an unauthenticated client at a host.
func atHost(host string) viewer {
	return viewer{name: "an unauthenticated client at " + host, host: host}
}

// atPath is an unauthenticated client at a path.
func atPath(path string) viewer {
	return viewer{name: "an unauthenticated client at " + path, path: path}
}

// readRules are what decides who sees the authors' events, which name bob and
// are in u33dc.
var readRules = []struct {
	name           string
	tables         []map[string]any
	link           policy.Policy // besides
	stored, fleets uint16        // kinds of events that are stored, and that are not
	sees, blind    []viewer
	after          func(t *testing.T, m *matrix) // what happens to the authors once they have written
	before         func(t *testing.T, m *matrix) // what happens before they write
	hidesMembers   bool
}{
	{name: "none", stored: 1, fleets: 20000, sees: []viewer{unauthenticated, asBob, asDave}},
	{name: "private", stored: 1059, fleets: 21059, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave}},
	{
		name: "owner-only", tables: []map[string]any{{"use": "owner-only", "kinds": "30078, 20078"}},
		stored: 30078, fleets: 20078, blind: []viewer{unauthenticated, asBob, asDave},
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
		name: "hidden authors", stored: 1, fleets: 20000, blind: []viewer{unauthenticated, asBob, asDave},
		after: func(t *testing.T, m *matrix) {
			for _, k := range authors {
				if _, err := m.desk.BanAuthor(t.Context(), shell, k.PubKey, state.Ban{Hidden: true}, false); err != nil {
					t.Fatal(err)
				}
			}
		},
	},
	{
		name: "authors who are being erased", stored: 1, fleets: 20000, blind: []viewer{unauthenticated, asBob, asDave},
		after: func(t *testing.T, m *matrix) {
			for _, k := range authors {
				if _, err := m.desk.BanAuthor(t.Context(), shell, k.PubKey, state.Ban{}, true); !errors.Is(err, errCannotErase) {
					t.Fatal(err)
				}
			}
		},
	},
	{
		name: "hidden events", stored: 1, fleets: 20000, blind: []viewer{unauthenticated, asBob, asDave},
		after: func(t *testing.T, m *matrix) {
			for _, e := range m.written {
				if err := m.desk.HideEvent(t.Context(), shell, e.ID, ""); err != nil {
					t.Fatal(err)
				}
			}
		},
	},
	{
		name: "events that are being removed", stored: 1, fleets: 20000, blind: []viewer{unauthenticated, asBob, asDave},
		after: func(t *testing.T, m *matrix) {
			for _, e := range m.written {
				if _, err := m.desk.RemoveEvent(t.Context(), shell, e.ID, ""); !errors.Is(err, errCannotErase) {
					t.Fatal(err)
				}
			}
		},
	},
	{
		name: "members", tables: []map[string]any{{"use": "readers", "members": true}},
		stored: 1, fleets: 20000, sees: []viewer{asBob}, blind: []viewer{unauthenticated, asDave}, before: bobJoins,
	},
	{
		name: "members with a role", tables: []map[string]any{{"use": "readers", "members": []any{"reader"}, "kinds": "30023, 20001"}},
		stored: 30023, fleets: 20001, blind: []viewer{unauthenticated, asBob, asDave}, before: bobJoins,
	},
	{
		name: "an expelled member", tables: []map[string]any{{"use": "readers", "members": true}},
		stored: 1, fleets: 20000, blind: []viewer{unauthenticated, asBob, asDave}, before: bobJoins,
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
	{name: "vanished", stored: 1, fleets: 20000, blind: []viewer{unauthenticated, asBob, asDave}, after: vanishAuthors},
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
	nth     int
	written []*event.Event
}

// authors are as many as a cell must have to be shown.
var authors = []relaytest.Key{relaytest.NewKey(41), relaytest.NewKey(42), relaytest.NewKey(43)}

// write has each author write an event of that kind, and waits until it has been
// passed on.
func (m *matrix) write(t *testing.T, kind uint16) {
	t.Helper()
	w := m.Dial(t)
	defer w.Close()
	passed := m.passed(t)
	for _, k := range authors {
		m.nth++
		e := k.Sign(t, event.Event{
			Kind: kind, CreatedAt: time.Now().Unix() - 30, Content: fmt.Sprint("secret ", m.nth),
			Tags: tags([]string{"d", fmt.Sprint(m.nth)}, []string{"g", "u33dc"}, []string{"p", bob.Hex()}),
		})
		w.Accepted(t, e)
		m.written = append(m.written, e)
	}
	passed()
}

// passed returns what waits until one event of each author has been passed on.
func (m *matrix) passed(t *testing.T) func() {
	before := m.Metric(t, "moa_fanout_seconds")
	return func() {
		relaytest.Eventually(t, "they are passed on", func() bool {
			return m.Metric(t, "moa_fanout_seconds") >= before+float64(len(authors))
		})
	}
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

func TestEveryRuleHoldsForEveryWayToRead(t *testing.T) {
	for _, rule := range readRules {
		t.Run(rule.name, func(t *testing.T) {
			st := memstore.New()
			desk := newDesk(t)
			env := envOn(st)
			env.Decided, env.Members, env.HideMembers = desk.Decided(), desk.Decided(), rule.hidesMembers
			chain := buildIn(t, env, rule.tables)
			if rule.link != nil {
				chain = policy.NewChain(nil, append(slices.Clone(chain.Links()), policy.Named{Name: "besides", Policy: rule.link})...)
			}
			m := &matrix{chain: chain, desk: desk, stored: rule.stored, fleets: rule.fleets}
			m.Relay = relaytest.Start(t, relaytest.Options{Store: st, Chain: chain, Config: func(cfg *relay.Config) {
				overHTTP(cfg)
				cfg.Geo.Replay, cfg.Geo.ReplayKinds = time.Hour, []int{20000, 20001, 21059}
			}})
			if rule.before != nil {
				rule.before(t, m)
			}
			m.write(t, rule.stored)
			m.write(t, rule.fleets)
			if rule.after != nil {
				rule.after(t, m)
			}
			for _, v := range append(slices.Clone(rule.sees), rule.blind...) {
				want := slices.Contains(rule.sees, v)
				for _, way := range readWays {
					if way.live && rule.after != nil || way.http && (v.key != nil || v.path != "") {
						continue
					}
					c := m.connect(t, v)
					if got := way.sees(t, m, v, c); got != want {
						t.Errorf("%s of %s: %v", way.name, v.name, got)
					}
					c.Close()
				}
				for _, path := range []string{"/", "/geo", "/nodeinfo/2.1", v.path + "/"} {
					if m.leaks(httpBody(t, m, v, path)) {
						t.Errorf("%s shows events", path)
					}
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

// newDesk is a desk that never comes to erasing.
func newDesk(t *testing.T) *desk.Desk {
	t.Helper()
	st, err := state.Open(t.Context(), state.Options{Path: filepath.Join(t.TempDir(), state.File)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	return desk.New(desk.Deps{
		State:  st,
		Stored: func(context.Context, *event.Filter, func(*event.Event) error) error { return errCannotErase },
		Remove: func(context.Context, []event.ID) (int, error) { return 0, errCannotErase },
	})
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
	defer m.passed(t)()
	for _, k := range authors {
		w.Accepted(t, k.Sign(t, event.Event{Kind: event.KindVanish, Tags: tags([]string{"relay", "ALL_RELAYS"})}))
	}
}
