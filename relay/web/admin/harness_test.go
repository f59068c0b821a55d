package admin_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/moderation"
	"moa/policy/policytest"
	"moa/relay"
	"moa/relay/desk"
	"moa/relay/relaytest"
	"moa/relay/web/admin"
	"moa/store"
	"moa/store/memstore"
	"moa/store/state"
)

var (
	boss   = relaytest.NewKey(40) // an administrator
	warden = relaytest.NewKey(41) // a moderator
	alice  = relaytest.NewKey(42) // somebody whose reports count
	bob    = relaytest.NewKey(43)
)

// managed is a relay with a page for operators.
type managed struct {
	*relaytest.Relay
	state   *state.Store
	dropped atomic.Bool // boss has no rights any more
}

func start(t *testing.T, change func(*relay.Config)) *managed {
	t.Helper()
	st, err := state.Open(t.Context(), state.Options{Path: filepath.Join(t.TempDir(), state.File)})
	must(t, err)
	t.Cleanup(func() { st.Close() })
	m := &managed{state: st}
	stored := memstore.New()
	decided := &desk.Decided{State: st}
	chain, faults := builtin.Build(policy.Env{Stored: storedIn(stored), Decided: decided, Members: decided}, nil,
		[]map[string]any{{"use": "moderation", "reporters": map[string]any{"pubkeys": []any{alice.Hex()}}}})
	if faults != nil {
		t.Fatal(faults)
	}
	ready := make(chan struct{})
	d := desk.New(desk.Deps{
		State: st, Stored: storedIn(stored), Now: func() time.Time { return m.Now() },
		Remove:        func(ctx context.Context, ids []event.ID) (int, error) { return m.Server.Remove(ctx, ids) },
		Changed:       func() { <-ready; m.Server.Decided(context.Background()) },
		Reports:       func() *moderation.Desk { return reportsOf(chain) },
		Administrator: func(pk event.PubKey) bool { return pk == boss.PubKey },
	})
	page := admin.New(admin.Deps{
		Desk: d, Now: func() time.Time { return m.Now() },
		Rank: m.rank,
		Readable: func(pk event.PubKey, e *event.Event) bool {
			return chain.Deliver(&policytest.Client{Keys: []event.PubKey{pk}}, e)
		},
		Look: func() admin.Figures {
			f := m.Server.Figures()
			return admin.Figures{Connections: f.Connections, Taken: f.Taken, Events: f.Store.Events, Free: -1, Started: m.Now().Add(-time.Hour)}
		},
	})
	m.Relay = relaytest.Start(t, relaytest.Options{
		Store: stored, Chain: chain, AdminPage: page,
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

func (m *managed) rank(pk event.PubKey) desk.Rank {
	switch {
	case pk == boss.PubKey && !m.dropped.Load():
		return desk.Administrator
	case pk == warden.PubKey:
		return desk.Moderator
	}
	return desk.Nobody
}

func reportsOf(chain *policy.Chain) *moderation.Desk {
	for _, n := range chain.Links() {
		if p, ok := n.Policy.(*builtin.Moderation); ok {
			return p.Desk()
		}
	}
	return nil
}

func storedIn(st store.Store) func(context.Context, *event.Filter, func(*event.Event) error) error {
	return func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
		_, err := st.Scan(store.Query{Filters: []*event.Filter{f}}).Next(ctx, store.Page{}, func(r *store.Record) error {
			e, err := r.Event()
			if err != nil {
				return err
			}
			return found(e)
		})
		return err
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// browser is what somebody sees the page with.
type browser struct {
	*managed
	cookie *http.Cookie
	csrf   string
}

// ask sends a request. header is name, value, name, value.
func (b *browser) ask(t *testing.T, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+b.Addr+path, strings.NewReader(body))
	must(t, err)
	if method == http.MethodPost {
		req.Header.Set("Origin", "http://"+b.Addr)
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b.cookie != nil {
		req.AddCookie(b.cookie)
	}
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
		if header[i+1] == "" {
			req.Header.Del(header[i])
		}
	}
	resp, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(req)
	must(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	must(t, err)
	for _, c := range resp.Cookies() {
		if b.cookie = c; c.MaxAge < 0 {
			b.cookie = nil
		}
	}
	return resp, string(text)
}

// get shows a page.
func (b *browser) get(t *testing.T, path string) (int, string) {
	t.Helper()
	resp, text := b.ask(t, http.MethodGet, path, "")
	if found := formToken.FindStringSubmatch(text); found != nil {
		b.csrf = found[1]
	}
	return resp.StatusCode, text
}

var (
	formToken = regexp.MustCompile(`name="csrf" value="([0-9a-f]{64})"`)
	challenge = regexp.MustCompile(`data-challenge="([^"]+)" data-payload="([0-9a-f]{64})"`)
)

// signed is the Authorization header to sign in with, and the body.
func (b *browser) signed(t *testing.T, by relaytest.Key, change func(*event.Event)) (header, body string) {
	t.Helper()
	_, text := (&browser{managed: b.managed}).get(t, "/admin")
	found := challenge.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("there is no challenge on\n%s", text)
	}
	if sum := sha256.Sum256([]byte(found[1])); hex.EncodeToString(sum[:]) != found[2] {
		t.Error("the payload is not that of the challenge")
	}
	e := event.Event{
		Kind: event.KindHTTPAuth, CreatedAt: b.Now().Unix(),
		Tags: []event.Tag{{"u", "http://" + b.Addr + "/admin/signin"}, {"method", "POST"}, {"payload", found[2]}},
	}
	if change != nil {
		change(&e)
	}
	return "Nostr " + base64.StdEncoding.EncodeToString(by.Sign(t, e).Raw), found[1]
}

// signIn signs somebody in.
func (m *managed) signIn(t *testing.T, by relaytest.Key) *browser {
	t.Helper()
	b := &browser{managed: m}
	header, body := b.signed(t, by, nil)
	if resp, text := b.ask(t, http.MethodPost, "/admin/signin", body, "Authorization", header); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("sign-in: %s %s", resp.Status, text)
	}
	if code, text := b.get(t, "/admin"); code != http.StatusOK || !strings.Contains(text, "<h1>Overview</h1>") {
		t.Fatalf("after the sign-in: %d\n%s", code, text)
	}
	return b
}

// post sends a form with the token of the session; fields are name, value, name, value.
func (b *browser) post(t *testing.T, path string, fields ...string) (int, string) {
	t.Helper()
	form := url.Values{"csrf": {b.csrf}}
	for i := 0; i+1 < len(fields); i += 2 {
		form.Set(fields[i], fields[i+1])
	}
	resp, text := b.ask(t, http.MethodPost, path, form.Encode())
	return resp.StatusCode, text
}

// does sends a form, which must succeed, and returns the page behind it.
func (b *browser) does(t *testing.T, path string, fields ...string) string {
	t.Helper()
	if code, text := b.post(t, path, fields...); code != http.StatusSeeOther {
		t.Fatalf("%s %v: %d\n%s", path, fields, code, text)
	}
	_, text := b.get(t, path[:strings.Index(path[len("/admin/"):], "/")+len("/admin/")])
	if !strings.Contains(text, `class="said" role="status"`) {
		t.Errorf("%s %v: the page does not say what was done", path, fields)
	}
	return text
}

// changes are the verbs and doors of the audit log, the newest first.
func (m *managed) changes(t *testing.T) (list []string) {
	t.Helper()
	rows, err := m.state.Changes(t.Context(), "", 0, 100)
	must(t, err)
	for _, c := range rows {
		by := c.By
		if by == boss.Hex() {
			by = "boss"
		}
		list = append(list, c.Door+" "+by+" "+c.Verb)
	}
	return list
}
