package relay_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip86"
	"moa/nips/wire"
	"moa/policy/builtin"
	"moa/policy/moderation"
	"moa/relay"
	"moa/relay/desk"
	"moa/relay/manage"
	"moa/relay/relaytest"
	"moa/store/memstore"
	"moa/store/state"
)

var (
	boss   = relaytest.NewKey(40) // an administrator
	warden = relaytest.NewKey(41) // a moderator
)

// managed is a relay that boss and warden manage.
type managed struct {
	*relaytest.Relay
	state *state.Store
	desk  *desk.Desk
}

// manageable starts a relay whose state is in that file. tables are policies besides
// moderation.
func manageable(t *testing.T, file string, change func(*relay.Config), tables ...map[string]any) *managed {
	t.Helper()
	st, err := state.Open(t.Context(), state.Options{Path: file})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	m := &managed{state: st}
	stored := memstore.New()
	tables = append([]map[string]any{{"use": "moderation", "reporters": map[string]any{"pubkeys": []any{alice.Hex()}}}}, tables...)
	decided := &desk.Decided{State: st}
	env := envOn(stored)
	env.Decided, env.Members, env.Waiting = decided, decided, decided
	env.Moderates = func(pk event.PubKey) bool { return pk == boss.PubKey || pk == warden.PubKey }
	chain := buildIn(t, env, tables)
	ready := make(chan struct{}) // the relay is there
	d := desk.New(desk.Deps{
		State: st, Stored: storedIn(stored),
		Remove:  func(ctx context.Context, ids []event.ID) (int, error) { return m.Server.Remove(ctx, ids) },
		Release: func(ctx context.Context, e *event.Event) (bool, error) { return m.Server.Release(ctx, e) },
		Changed: func() {
			<-ready
			m.Server.Decided(t.Context())
			if err := m.Server.Describe(); err != nil {
				t.Error(err)
			}
		},
		Reports: func() *moderation.Desk {
			for _, n := range chain.Links() {
				if p, ok := n.Policy.(*builtin.Moderation); ok {
					return p.Desk()
				}
			}
			return nil
		},
		Administrator: func(pk event.PubKey) bool { return pk == boss.PubKey },
	})
	m.desk = d
	door := &manage.Door{
		Desk: d, Kinds: func() (accepted, refused []uint16) { return m.Server.AcceptedKinds() },
		Rank: func(pk event.PubKey) desk.Rank {
			return map[event.PubKey]desk.Rank{boss.PubKey: desk.Administrator, warden.PubKey: desk.Moderator}[pk]
		},
	}
	m.Relay = relaytest.Start(t, relaytest.Options{
		Store: stored, Chain: chain, Manager: door,
		Settings: func() (o relay.Overrides) {
			for setting, to := range map[string]**string{state.SettingName: &o.Name, state.SettingDescription: &o.Description, state.SettingIcon: &o.Icon} {
				if text, set := st.Setting(setting); set {
					*to = &text
				}
			}
			return o
		},
		Config: func(c *relay.Config) {
			c.Admin = relay.Admin{Administrators: []string{boss.Hex()}, Moderators: []string{warden.Hex()}}
			if change != nil {
				change(c)
			}
		},
	})
	close(ready)
	return m
}

func stateFile(t *testing.T) string { return filepath.Join(t.TempDir(), state.File) }

// authorization signs a call, as change would have it.
func authorization(t *testing.T, by relaytest.Key, url, body string, change func(*event.Event)) string {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	e := event.Event{Kind: event.KindHTTPAuth, Tags: []event.Tag{{"u", url}, {"method", "POST"}, {"payload", hex.EncodeToString(sum[:])}}}
	if change != nil {
		change(&e)
	}
	return "Nostr " + base64.StdEncoding.EncodeToString(by.Sign(t, e).Raw)
}

// post sends a call; header is name, value, name, value.
func (m *managed) post(t *testing.T, path, body string, header ...string) (*http.Response, nip86.Response) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+m.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", nip86.ContentType)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := nip86.ParseResponse(text)
	if err != nil && resp.StatusCode != http.StatusMethodNotAllowed {
		t.Fatalf("%s: %s: %q", resp.Status, body, text)
	}
	return resp, answer
}

// calls counts what is signed: no two events are the same.
var calls int

// call makes a call by somebody, and returns the status and what was answered.
func (m *managed) call(t *testing.T, by relaytest.Key, method string, params ...any) (int, nip86.Response) {
	t.Helper()
	if params == nil {
		params = []any{}
	}
	body, err := json.Marshal(map[string]any{"method": method, "params": params})
	if err != nil {
		t.Fatal(err)
	}
	calls++
	header := authorization(t, by, "http://"+m.Addr+"/", string(body), func(e *event.Event) {
		e.CreatedAt, e.Content = m.Now().Unix(), fmt.Sprint(calls)
	})
	resp, answer := m.post(t, "/", string(body), "Authorization", header)
	return resp.StatusCode, answer
}

// done makes a call, which must succeed, and returns its result.
func (m *managed) done(t *testing.T, by relaytest.Key, method string, params ...any) string {
	t.Helper()
	code, answer := m.call(t, by, method, params...)
	if code != http.StatusOK || answer.Error != "" {
		t.Fatalf("%s %v: %d %s", method, params, code, answer.Error)
	}
	return string(answer.Result)
}

// answers makes a call, whose result must be that.
func (m *managed) answers(t *testing.T, by relaytest.Key, want, method string, params ...any) {
	t.Helper()
	if got := m.done(t, by, method, params...); got != want {
		t.Errorf("%s %v: %s, want %s", method, params, got, want)
	}
}

// refuses makes a call, which must be refused so.
func (m *managed) refuses(t *testing.T, by relaytest.Key, code int, says, method string, params ...any) {
	t.Helper()
	got, answer := m.call(t, by, method, params...)
	if got != code || !strings.Contains(answer.Error, says) || answer.Result != nil {
		t.Errorf("%s %v: %d %q, want %d %q", method, params, got, answer.Error, code, says)
	}
}

// NIP86.2 and NIP86.3: what does not hold is refused before anything else, with 401; a
// caller that manages nothing with 403.
func TestNIP86AuthorizationComesFirst(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	m.Hold()
	url := "http://" + m.Addr
	body := `{"method":"banpubkey","params":["` + bob.Hex() + `","spam"]}`
	signed := func(by relaytest.Key, change func(*event.Event)) string {
		return authorization(t, by, url, body, change)
	}
	tag := func(name string, values ...string) func(*event.Event) {
		return func(e *event.Event) {
			e.Tags = slices.DeleteFunc(e.Tags, func(t event.Tag) bool { return t[0] == name })
			if values != nil {
				e.Tags = append(e.Tags, append(event.Tag{name}, values...))
			}
		}
	}
	at := func(seconds int64) func(*event.Event) {
		return func(e *event.Event) { e.CreatedAt = m.Now().Unix() + seconds }
	}
	forged := boss.Sign(t, event.Event{Kind: event.KindHTTPAuth, Tags: []event.Tag{{"u", url}, {"method", "POST"}}})
	raw := strings.Replace(string(forged.Raw), boss.Hex(), warden.Hex(), 1)
	for name, c := range map[string]struct {
		header string
		code   int
		says   string
	}{
		"86.2: none":                     {"", 401, "Authorization"},
		"86.2: another scheme":           {"Bearer abc", 401, "Authorization"},
		"86.2: no base64":                {"Nostr !", 401, "base64"},
		"86.2: no event":                 {"Nostr e30=", 401, ""},
		"86.2: somebody else's event":    {"Nostr " + base64.StdEncoding.EncodeToString([]byte(raw)), 401, ""},
		"86.2: another kind":             {signed(boss, func(e *event.Event) { e.Kind = 22242 }), 401, "kind 22242"},
		"86.2: too old":                  {signed(boss, at(-61)), 401, "created_at"},
		"86.2: from the future":          {signed(boss, at(61)), 401, "created_at"},
		"86.2: no u":                     {signed(boss, tag("u")), 401, "u tag"},
		"86.2: another relay":            {signed(boss, tag("u", "https://other.example")), 401, "u tag"},
		"86.2: another path":             {signed(boss, tag("u", url+"/x")), 401, "u tag"},
		"86.2: another query":            {signed(boss, tag("u", url+"/?a=b")), 401, "u tag"},
		"86.2: another method":           {signed(boss, tag("method", "GET")), 401, "method tag"},
		"86.2: no method":                {signed(boss, tag("method")), 401, "method tag"},
		"86.2: no payload":               {signed(boss, tag("payload")), 401, "payload tag"},
		"86.2: another payload":          {signed(boss, tag("payload", strings.Repeat("0", 64))), 401, "payload tag"},
		"86.3: somebody":                 {signed(alice, nil), 403, "does not manage"},
		"86.3: somebody with a bad body": {signed(alice, tag("payload")), 403, "does not manage"},
	} {
		resp, answer := m.post(t, "/", body, "Authorization", c.header)
		if resp.StatusCode != c.code || !strings.Contains(answer.Error, c.says) || answer.Error == "" {
			t.Errorf("%s: %d %q", name, resp.StatusCode, answer.Error)
		}
		if resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Content-Type") != nip86.ContentType {
			t.Errorf("%s: %v", name, resp.Header)
		}
		if c.code == 401 && resp.Header.Get("WWW-Authenticate") == "" {
			t.Errorf("%s: it is not said how to authorize", name)
		}
	}
	if changes, err := m.state.Changes(t.Context(), "", 0, 10); err != nil || len(changes) > 0 {
		t.Fatalf("86.3: %v was done, %v", changes, err)
	}

	// ws for http and another spelling are the same relay; a minute of difference is none.
	for i, u := range []string{url, url + "/", m.URL, "WS://" + strings.Replace(m.Addr, "127.0.0.1", "localhost", 1)} {
		header := authorization(t, boss, u, body, at(int64(60-40*i)))
		if resp, answer := m.post(t, "/", body, "Authorization", header); resp.StatusCode != 200 || string(answer.Result) != "true" {
			t.Errorf("86.2: signed for %s: %d %q", u, resp.StatusCode, answer.Error)
		}
		if resp, answer := m.post(t, "/", body, "Authorization", header); resp.StatusCode != 401 || !strings.Contains(answer.Error, "used before") {
			t.Errorf("86.2: replayed: %d %q", resp.StatusCode, answer.Error)
		}
	}
	if n := m.Metric(t, "moa_admin_calls_total", "method", "banpubkey", "result", "ok"); n != 4 {
		t.Errorf("%v calls are counted", n)
	}
	if n := m.Metric(t, "moa_admin_calls_total", "method", "other", "result", "unauthorized"); n < 16 {
		t.Errorf("%v unauthorized calls are counted", n)
	}
}

// A change is made once for each event, though the relay has forgotten it.
func TestNIP86ReplayIsRefusedAfterARestart(t *testing.T) {
	file := stateFile(t)
	body := `{"method":"banpubkey","params":["` + bob.Hex() + `"]}`
	const url = "wss://relay.example.org"
	known := func(c *relay.Config) { c.URL = url }
	header := authorization(t, boss, url, body, nil)
	m := manageable(t, file, known)
	if resp, answer := m.post(t, "/", body, "Authorization", header); resp.StatusCode != 200 {
		t.Fatal(answer.Error)
	}
	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	m.state.Close()
	m = manageable(t, file, known)
	if resp, answer := m.post(t, "/", body, "Authorization", header); resp.StatusCode != 401 || !strings.Contains(answer.Error, "used before") {
		t.Errorf("%d %q", resp.StatusCode, answer.Error)
	}
}

// NIP86.2: a u tag is held to what the relay is, not to what the client says.
func TestNIP86TheHostHeaderDecidesNothing(t *testing.T) {
	const body = `{"method":"supportedmethods","params":[]}`
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	for name, c := range map[string]struct {
		change func(*relay.Config)
		u      string
		header []string
		code   int
	}{
		"a URL":                  {func(c *relay.Config) { c.URL = "wss://relay.example.org" }, "https://relay.example.org", nil, 200},
		"a forged Host":          {func(c *relay.Config) { c.URL = "wss://relay.example.org" }, "https://other.example", []string{"Host", "other.example"}, 401},
		"a forged Host, no URL":  {nil, "https://other.example", []string{"Host", "other.example"}, 401},
		"the address, and a URL": {func(c *relay.Config) { c.URL = "wss://relay.example.org" }, "", nil, 401},
		"the address":            {nil, "", []string{"Host", "other.example"}, 200},
		"behind a proxy": {
			func(c *relay.Config) { c.URL, c.TrustedProxies = "wss://relay.example.org", loopback },
			"wss://relay.example.org/",
			[]string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https"},
			200,
		},
		"a host that a proxy hands on": {
			func(c *relay.Config) { c.URL, c.TrustedProxies = "wss://relay.example.org", loopback },
			"https://other.example",
			[]string{"X-Forwarded-For", "203.0.113.9", "X-Forwarded-Host", "other.example"},
			401,
		},
	} {
		m := manageable(t, stateFile(t), c.change)
		if c.u == "" {
			c.u = "http://" + m.Addr
		}
		header := append(c.header, "Authorization", authorization(t, boss, c.u, body, nil))
		if resp, answer := m.post(t, "/", body, header...); resp.StatusCode != c.code {
			t.Errorf("%s: %d %q", name, resp.StatusCode, answer.Error)
		}
	}
}

// A relay of scopes is called at each of its URLs, and only by the one that is called.
func TestNIP86AtAPathOfAScope(t *testing.T) {
	m := manageable(t, stateFile(t), nil, map[string]any{"use": "scopes", "paths": true})
	const body = `{"method":"supportedmethods","params":[]}`
	for path, u := range map[string]string{"/at/u33": "/at/u33", "/": "/"} {
		if resp, answer := m.post(t, path, body, "Authorization", authorization(t, boss, "http://"+m.Addr+u, body, nil)); resp.StatusCode != 200 {
			t.Errorf("%s: %d %q", path, resp.StatusCode, answer.Error)
		}
	}
	d := manageable(t, stateFile(t), func(c *relay.Config) { c.URL = "wss://geo.test" }, map[string]any{"use": "scopes", "domain": "geo.test"})
	for host, code := range map[string]int{"u33.geo.test": 200, "geo.test": 401, "u34.geo.test": 401} {
		resp, answer := d.post(t, "/", body, "Host", host, "Authorization", authorization(t, boss, "https://u33.geo.test", body, nil))
		if resp.StatusCode != code {
			t.Errorf("at %s, signed for u33.geo.test: %d %q", host, resp.StatusCode, answer.Error)
		}
	}
	if resp, _ := m.post(t, "/at/u33", body, "Authorization", authorization(t, boss, "http://"+m.Addr, body, nil)); resp.StatusCode != 401 {
		t.Errorf("a call at a path, signed for the root: %d", resp.StatusCode)
	}
}

func TestNIP86IsOffUntilSomebodyIsNamed(t *testing.T) {
	m := manageable(t, stateFile(t), func(c *relay.Config) { c.Admin = relay.Admin{} })
	const body = `{"method":"supportedmethods","params":[]}`
	if resp, _ := m.post(t, "/", body, "Authorization", authorization(t, boss, "http://"+m.Addr, body, nil)); resp.StatusCode != 405 || resp.Header.Get("Allow") != "GET, HEAD, OPTIONS" {
		t.Errorf("86: %d", resp.StatusCode)
	}
	doc := document(t, m.Relay)
	if nips := fmt.Sprint(doc["supported_nips"]); strings.Contains(nips, "86") || strings.Contains(nips, "98") || doc["nip86"] != nil {
		t.Errorf("86: announced: %v", doc)
	}
}

// NIP86.1 and NIP86.3: a call is told by its content type, and pages of other sites may
// make one.
func TestNIP86ItIsAnnouncedAndScriptsMayCall(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	doc := document(t, m.Relay)
	if nips := fmt.Sprint(doc["supported_nips"]); !strings.Contains(nips, " 86 98]") {
		t.Errorf("86: %v", nips)
	}
	if fmt.Sprint(doc["nip86"]) != "map[extensions:[erase limit after resetsetting]]" {
		t.Errorf("86.6: the extensions are %v", doc["nip86"])
	}
	resp, _ := get(t, m.Relay, "OPTIONS", "/", "Origin", "https://admin.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, content-type")
	if resp.StatusCode != 204 || !strings.Contains(resp.Header.Get("Access-Control-Allow-Methods"), "POST") || !strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("86.3: %s %v", resp.Status, resp.Header)
	}
	if resp, _ := m.post(t, "/", "{}", "Content-Type", "application/json"); resp.StatusCode != 405 {
		t.Errorf("86.1: a POST of another type: %s", resp.Status)
	}
	if resp, _ := m.post(t, "/", "{}", "Content-Type", nip86.ContentType+"; charset=utf-8"); resp.StatusCode != 401 {
		t.Errorf("86.1: with a charset: %s", resp.Status)
	}
}

// NIP86.6: no parameters, however wrong, do any harm.
func TestNIP86WhatIsWrongWithACallIsSaid(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	m.refuses(t, boss, 400, "no such method", "fly")
	m.refuses(t, boss, 400, "no such method", "signevent", map[string]any{})
	m.refuses(t, boss, 400, "want a string", "banpubkey", 7)
	m.refuses(t, boss, 400, "wants: banpubkey", "banpubkey")
	m.refuses(t, boss, 400, "everybody", "blockip", "0.0.0.0/0")
	m.refuses(t, boss, 400, "no setting", "resetsetting", "port")
	m.refuses(t, boss, 400, "bytes", "banpubkey", bob.Hex(), strings.Repeat("w", 2000))
	long := `{"method":"changerelayname","params":["` + strings.Repeat("n", 70_000) + `"]}`
	resp, answer := m.post(t, "/", long, "Authorization", authorization(t, boss, "http://"+m.Addr, long, nil))
	if resp.StatusCode != 413 || !strings.Contains(answer.Error, "65536") {
		t.Errorf("86.6: %d %q", resp.StatusCode, answer.Error)
	}
	for _, body := range []string{"", "null", "[]", `{"method":"supportedmethods","params":[`} {
		resp, answer := m.post(t, "/", body, "Authorization", authorization(t, boss, "http://"+m.Addr, body, nil))
		if resp.StatusCode != 400 || answer.Error == "" {
			t.Errorf("86.6: %q: %d %q", body, resp.StatusCode, answer.Error)
		}
	}
}

// NIP86.4: supportedmethods are all the others that the caller may call.
func TestNIP86ModeratorsMayDoLess(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	var all, some []string
	if err := json.Unmarshal([]byte(m.done(t, boss, "supportedmethods")), &all); err != nil {
		t.Fatal(err)
	}
	for _, method := range nip86.Methods() {
		if slices.Contains(all, method.Name) == (method.Name == nip86.SupportedMethods) {
			t.Errorf("86.4: %s: %v", method.Name, all)
		}
	}
	if err := json.Unmarshal([]byte(m.done(t, warden, "supportedmethods")), &some); err != nil {
		t.Fatal(err)
	}
	want := []string{
		"banpubkey", "unbanpubkey", "listbannedpubkeys", "listeventsneedingmoderation", "allowevent", "banevent", "unbanevent", "listbannedevents",
	}
	if !slices.Equal(some, want) {
		t.Errorf("86.4: a moderator may %v", some)
	}
	m.refuses(t, warden, 403, "an administrator", "changerelayname", "Mine")
	m.refuses(t, warden, 403, "an administrator", "disallowkind", 1)
	m.refuses(t, warden, 403, "an administrator", "blockip", "203.0.113.7")
	m.refuses(t, warden, 403, "an administrator", "allowpubkey", alice.Hex())
	m.refuses(t, warden, 403, "an administrator", "createrole", "a", "b")
	m.refuses(t, warden, 403, "an administrator", "banpubkey", bob.Hex(), "", map[string]any{"erase": true})
	m.refuses(t, warden, 400, "administrator of the relay", "banpubkey", boss.Hex())
	if changes, err := m.state.Changes(t.Context(), "", 0, 10); err != nil || len(changes) > 0 {
		t.Fatalf("%v was done, %v", changes, err)
	}
	m.answers(t, warden, "true", "banpubkey", bob.Hex(), "spam")
	changes, err := m.state.Changes(t.Context(), "", 0, 10)
	if err != nil || len(changes) != 1 || changes[0].By != warden.Hex() || changes[0].Door != "nip86" || changes[0].Why != "spam" {
		t.Errorf("the audit log says %+v, %v", changes, err)
	}
}

// NIP86.5: a ban is in force at once; it removes what is stored if it is to.
func TestNIP86BansActOnOpenConnections(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	c, reader := m.Dial(t), m.Dial(t)
	old, other := bob.Note(t, "old"), alice.Note(t, "other")
	c.Accepted(t, old, other)
	reader.Stored(t, "live", `{"kinds":[1]}`)

	m.answers(t, boss, "true", "banpubkey", bob.Hex(), "spam")
	c.Refused(t, bob.Note(t, "new"), "blocked: ")
	m.answers(t, boss, `[{"pubkey":"`+bob.Hex()+`","reason":"spam"}]`, "listbannedpubkeys")
	if got := reader.Query(t, `{"authors":["`+bob.Hex()+`"]}`); len(got) != 1 {
		t.Errorf("86.5: a ban alone hides what is stored: %v", got)
	}
	m.answers(t, boss, "true", "banpubkey", bob.Hex(), "spam", map[string]any{"erase": true})
	if got := reader.Query(t, `{"authors":["`+bob.Hex()+`"]}`); len(got) != 0 || m.Store.Has(old.ID) {
		t.Errorf("86.5: an erased author is shown: %v", got)
	}
	m.answers(t, boss, "true", "unbanpubkey", bob.Hex(), "sorry")
	m.answers(t, boss, `[]`, "listbannedpubkeys")
	again := bob.Note(t, "again")
	c.Accepted(t, again)
	if r := reader.Hear(t, wire.Event); string(r.Event) != string(again.Raw) {
		t.Errorf("heard %s", r.Event)
	}

	m.answers(t, warden, "true", "banevent", other.ID.String(), "bad")
	c.Refused(t, other, "blocked: ")
	if m.Store.Has(other.ID) {
		t.Error("86.5: a banned event is stored")
	}
	m.answers(t, boss, `[{"id":"`+other.ID.String()+`","reason":"bad"}]`, "listbannedevents")
	m.answers(t, boss, "true", "unbanevent", other.ID.String())
	m.answers(t, boss, `[]`, "listbannedevents")
	c.Accepted(t, other)
}

// NIP86.4: what was reported waits for a moderator.
func TestNIP86ReportedEventsAreListed(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	c := m.Dial(t)
	one, two := bob.Note(t, "one"), bob.Note(t, "two")
	c.Accepted(t, one, two)
	for _, e := range []*event.Event{one, two} {
		c.Accepted(t, alice.Sign(t, event.Event{Kind: event.KindReport, Tags: []event.Tag{{"p", bob.Hex(), "spam"}, {"e", e.ID.String(), "spam"}}}))
	}
	listed := func(want int) {
		t.Helper()
		var list []nip86.EventReason
		relaytest.Eventually(t, fmt.Sprint(want, " reported events"), func() bool {
			if err := json.Unmarshal([]byte(m.done(t, warden, "listeventsneedingmoderation")), &list); err != nil {
				t.Fatal(err)
			}
			return len(list) == want
		})
		for _, one := range list {
			if !strings.Contains(one.Reason, "spam") {
				t.Errorf("86.4: reported for %q", one.Reason)
			}
		}
	}
	listed(2)
	m.refuses(t, warden, 400, "1 other events", "allowevent", one.ID.String(), "fine")
	m.answers(t, warden, "true", "banevent", two.ID.String())
	listed(1)
	m.answers(t, warden, "true", "allowevent", one.ID.String(), "fine")
	listed(0)
}

// NIP86.5: settings show in NIP-11 at once, and after a restart; the last kind that is
// disallowed leaves none.
func TestNIP86SettingsAndKindsStandOverTheConfiguration(t *testing.T) {
	file := stateFile(t)
	named := func(c *relay.Config) { c.Info.Name = "configured" }
	kinds := map[string]any{"use": "kinds", "allow": "1"}
	m := manageable(t, file, named, kinds)
	m.answers(t, boss, "true", "changerelayname", "Nest")
	if doc := document(t, m.Relay); doc["name"] != "Nest" {
		t.Errorf("86.5: NIP-11 says %v", doc["name"])
	}
	c := m.Dial(t)
	m.answers(t, boss, "[1]", "listallowedkinds")
	c.Refused(t, alice.Sign(t, event.Event{Kind: 7, Content: "+"}), "blocked: ")
	m.answers(t, boss, "true", "allowkind", 7)
	m.answers(t, boss, "[1,7]", "listallowedkinds")
	c.Accepted(t, alice.Sign(t, event.Event{Kind: 7, Content: "+", Tags: []event.Tag{{"t", "a"}}}))
	// Without the last kind that was allowed, none is; not all.
	for _, kind := range []int{1, 7} {
		m.answers(t, boss, "true", "disallowkind", kind)
	}
	m.answers(t, boss, "[]", "listallowedkinds")
	m.answers(t, boss, "[1,7]", "listdisallowedkinds")
	c.Refused(t, alice.Note(t, "no"), "blocked: ")
	c.Refused(t, alice.Sign(t, event.Event{Kind: 1984, Tags: []event.Tag{{"p", bob.Hex()}}}), "blocked: ")

	if err := m.Stop(); err != nil {
		t.Fatal(err)
	}
	m.state.Close()
	m = manageable(t, file, named, kinds)
	if doc := document(t, m.Relay); doc["name"] != "Nest" {
		t.Errorf("86.5: after a restart NIP-11 says %v", doc["name"])
	}
	m.Dial(t).Refused(t, alice.Note(t, "no"), "blocked: ")
	m.answers(t, boss, "true", "resetsetting", "name")
	m.answers(t, boss, "true", "resetsetting", "kind:1")
	if doc := document(t, m.Relay); doc["name"] != "configured" {
		t.Errorf("after a reset NIP-11 says %v", doc["name"])
	}
	m.Dial(t).Accepted(t, alice.Note(t, "yes"))
}

// NIP86.4: addresses and networks.
func TestNIP86AddressesAndNetworksAreBlocked(t *testing.T) {
	m := manageable(t, stateFile(t), func(c *relay.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	from := func(ip string) []string { return []string{"X-Forwarded-For", ip} }
	open := m.Dial(t, from("203.0.113.9")...)
	m.answers(t, boss, "true", "blockip", "203.0.113.0/24", "scans")
	m.answers(t, boss, "true", "blockip", "2001:db8::7")
	m.answers(t, boss, `[{"ip":"2001:db8::7"},{"ip":"203.0.113.0/24","reason":"scans"}]`, "listblockedips")
	relaytest.Eventually(t, "the connection from there is ended", func() bool { return open.TrySay(`["CLOSE","x"]`) != nil })
	for ip, blocked := range map[string]bool{"203.0.113.200": true, "203.0.114.1": false, "2001:db8::7": true, "2001:db8::8": false} {
		c, _, err := relaytest.TryDial(m.URL, from(ip)...)
		if (err != nil) != blocked {
			t.Errorf("86.4: from %s: %v", ip, err)
		}
		if err == nil {
			c.Close()
		}
	}
	m.answers(t, boss, "true", "unblockip", "203.0.113.0/24")
	m.Dial(t, from("203.0.113.200")...)
}

// NIP86.6: lists come in pages, however long.
func TestNIP86ListsComeInPages(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	var members []state.Membership
	for n := range 1100 {
		members = append(members, state.Membership{PubKey: event.PubKey{0: byte(n >> 8), 1: byte(n), 31: 1}})
	}
	if _, err := m.state.AddMembers(t.Context(), state.Actor{Door: "test"}, members); err != nil {
		t.Fatal(err)
	}
	for n := range 25 {
		if err := m.state.BanAuthor(t.Context(), state.Actor{Door: "test"}, relaytest.NewKey(byte(50+n)).PubKey, state.Ban{}, 0); err != nil {
			t.Fatal(err)
		}
	}
	pages := func(method string, limit int) (all []string) {
		t.Helper()
		options := map[string]any{"limit": limit}
		for {
			var page []nip86.PubKeyReason
			if err := json.Unmarshal([]byte(m.done(t, boss, method, options)), &page); err != nil {
				t.Fatal(err)
			}
			for _, one := range page {
				all = append(all, one.PubKey.String())
			}
			if len(page) < limit {
				return all
			}
			options["after"] = all[len(all)-1]
		}
	}
	distinct := func(all []string) int { return len(slices.Compact(slices.Sorted(slices.Values(all)))) }
	if all := pages("listbannedpubkeys", 10); len(all) != 25 || distinct(all) != 25 || !slices.IsSorted(all) {
		t.Errorf("86.6: %d of 25 are listed", len(all))
	}
	if all := pages("listallowedpubkeys", 300); len(all) != 1100 || distinct(all) != 1100 || all[1099] != members[0].PubKey.String() {
		t.Errorf("86.6: %d of 1100 members are listed", len(all))
	}
	var first []nip86.PubKeyReason
	if err := json.Unmarshal([]byte(m.done(t, boss, "listallowedpubkeys")), &first); err != nil || len(first) != nip86.MaxPage {
		t.Errorf("86.6: %d at once, %v", len(first), err)
	}
}

// NIP86.4: people and their roles.
func TestNIP86PeopleAndRoles(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	m.answers(t, boss, "true", "banpubkey", bob.Hex())
	m.answers(t, boss, "true", "allowpubkey", bob.Hex(), "a friend")
	m.answers(t, boss, "true", "allowpubkey", bob.Hex())
	m.answers(t, boss, `[{"pubkey":"`+bob.Hex()+`"}]`, "listallowedpubkeys")
	m.answers(t, boss, `[]`, "listbannedpubkeys")
	m.answers(t, boss, "true", "createrole", "vip", "VIP", "dear people", 120, 1)
	m.refuses(t, boss, 400, "already", "createrole", "vip", "VIP")
	m.answers(t, boss, "true", "editrole", "vip", "V.I.P.", nil, nil, 2)
	m.answers(t, boss, "true", "assignrole", bob.Hex(), "vip")
	if r, ok := m.state.Role("vip"); !ok || r.Label != "V.I.P." || r.Color != nil || *r.Order != 2 {
		t.Errorf("86.4: the role is %+v", r)
	}
	if one, _ := m.state.Member(bob.PubKey); !one.Has("vip") {
		t.Error("86.4: the role was not given")
	}
	m.answers(t, boss, "true", "unassignrole", bob.Hex(), "vip")
	m.answers(t, boss, "true", "deleterole", "vip")
	if one, _ := m.state.Member(bob.PubKey); one.Has("vip") || len(m.state.Roles()) > 0 {
		t.Error("86.4: the role is there")
	}
	m.answers(t, boss, "true", "unallowpubkey", bob.Hex())
	m.answers(t, boss, "true", "allowpubkey", bob.Hex())
	m.answers(t, boss, "true", "banpubkey", bob.Hex()) // ends the membership, too
	m.answers(t, boss, `[]`, "listallowedpubkeys")
}

// What is not signed by an operator is not read, and costs its address.
func TestNIP86NobodysBodyIsRead(t *testing.T) {
	m := manageable(t, stateFile(t), func(c *relay.Config) {
		c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}
	})
	conn, err := net.Dial("tcp", m.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(relaytest.Patience))
	header := authorization(t, alice, "http://"+m.Addr, "x", nil)
	fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nContent-Type: %s\r\nAuthorization: %s\r\nContent-Length: 60000\r\n\r\n", nip86.ContentType, header)
	answer := make([]byte, 4096)
	n, err := conn.Read(answer)
	if err != nil || !strings.HasPrefix(string(answer[:n]), "HTTP/1.1 403 ") {
		t.Errorf("before the body came: %q, %v", answer[:n], err)
	}
	m.Dial(t, "X-Forwarded-For", "203.0.113.7")
	relay.KeepBusy(m.Server, "203.0.113.7", time.Hour)
	if resp, _ := m.post(t, "/", "{}", "X-Forwarded-For", "203.0.113.7"); resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") == "" {
		t.Errorf("an address that says too much: %s", resp.Status)
	}
	if resp, _ := m.post(t, "/", "{}", "X-Forwarded-For", "203.0.113.8"); resp.StatusCode != http.StatusUnauthorized {
		t.Errorf("another address: %s", resp.Status)
	}
}
