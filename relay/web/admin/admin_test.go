package admin_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store/state"
)

func TestWithoutAnOperatorThereIsNoPage(t *testing.T) {
	b := &browser{managed: start(t, func(c *relay.Config) { c.Admin = relay.Admin{} })}
	for _, path := range []string{"/admin", "/admin/", "/admin/members", "/admin/style.css", "/admin/signin.js"} {
		if code, _ := b.get(t, path); code != http.StatusNotFound {
			t.Errorf("%s: %d", path, code)
		}
	}
	if resp, _ := b.ask(t, http.MethodPost, "/admin/signin", ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("sign-in: %s", resp.Status)
	}
}

func TestNobodySeesAnythingBeforeTheySignIn(t *testing.T) {
	b := &browser{managed: start(t, nil)}
	for _, path := range []string{"/admin", "/admin/members", "/admin/invites", "/admin/reports", "/admin/bans", "/admin/log", "/admin/no"} {
		resp, text := b.ask(t, http.MethodGet, path, "")
		if resp.StatusCode != http.StatusOK || !strings.Contains(text, "Sign in with an extension") || strings.Contains(text, "<nav") {
			t.Errorf("%s: %s\n%s", path, resp.Status, text)
		}
		h := resp.Header
		policy := h.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || !strings.Contains(policy, "frame-ancestors 'none'") || strings.Contains(policy, "unsafe") ||
			h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "DENY" || h.Get("Referrer-Policy") != "same-origin" ||
			h.Get("Access-Control-Allow-Origin") != "" || len(resp.Cookies()) > 0 {
			t.Errorf("%s: %v", path, h)
		}
		if strings.Contains(text, "<script>") || strings.Contains(text, "<style") || strings.Contains(text, `="http`) {
			t.Errorf("%s has a script or style in it, or asks elsewhere:\n%s", path, text)
		}
	}
	for _, path := range []string{"/admin/members/add", "/admin/bans/author", "/admin/signout"} {
		if code, _ := b.post(t, path, "key", bob.Hex()); code != http.StatusUnauthorized {
			t.Errorf("%s: %d", path, code)
		}
	}
	if n := len(b.changes(t)); n > 0 {
		t.Errorf("%d changes", n)
	}
}

func TestSignInIsForOperatorsOfThisRelayOnce(t *testing.T) {
	m := start(t, nil)
	m.Hold()
	b := &browser{managed: m}
	u := func(to string) func(*event.Event) { return func(e *event.Event) { e.Tags[0][1] = to } }
	for name, c := range map[string]struct {
		by     relaytest.Key
		change func(*event.Event)
		body   func(string) string
		header []string
		code   int
		says   string
	}{
		"a key that is nobody":     {by: bob, code: 403, says: "does not manage"},
		"another relay":            {by: boss, change: u("https://other.example/admin/signin"), code: 401, says: "u tag"},
		"the relay, not its page":  {by: boss, change: u("http://" + m.Addr + "/"), code: 401, says: "u tag"},
		"an old event":             {by: boss, change: func(e *event.Event) { e.CreatedAt -= 61 }, code: 401, says: "created_at"},
		"another kind":             {by: boss, change: func(e *event.Event) { e.Kind = 22242 }, code: 401, says: "kind"},
		"no payload":               {by: boss, change: func(e *event.Event) { e.Tags = e.Tags[:2] }, code: 401, says: "payload"},
		"a made-up challenge":      {by: boss, body: func(string) string { return "abc" }, code: 401, says: "load it again"},
		"a long body":              {by: boss, body: func(s string) string { return strings.Repeat(s, 100) }, code: 401},
		"no signature":             {by: boss, header: []string{"Authorization", ""}, code: 401},
		"a form of another site":   {by: boss, header: []string{"Origin", "https://evil.example"}, code: 403},
		"a form of no site":        {by: boss, header: []string{"Origin", "null"}, code: 403},
		"no Origin":                {by: boss, header: []string{"Origin", ""}, code: 403},
		"a name that points here":  {by: boss, header: []string{"Host", "evil.example", "Origin", "http://evil.example"}, code: 403},
		"a forged host, signed so": {by: boss, change: u("http://evil.example/admin/signin"), header: []string{"Host", "evil.example"}, code: 401, says: "u tag"},
		"a forged proxy":           {by: boss, change: u("https://evil.example/admin/signin"), header: []string{"X-Forwarded-Host", "evil.example"}, code: 401, says: "u tag"},
	} {
		header, body := b.signed(t, c.by, c.change)
		if c.body != nil {
			body = c.body(body)
		}
		resp, text := b.ask(t, http.MethodPost, "/admin/signin", body, append([]string{"Authorization", header}, c.header...)...)
		if resp.StatusCode != c.code || !strings.Contains(text, c.says) || b.cookie != nil {
			t.Errorf("%s: %s %q", name, resp.Status, text)
		}
	}

	header, body := b.signed(t, boss, nil)
	if resp, _ := b.ask(t, http.MethodPost, "/admin/signin", body, "Authorization", header); resp.StatusCode != http.StatusNoContent {
		t.Fatalf("sign-in: %s", resp.Status)
	}
	if c := b.cookie; c == nil || !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || len(c.Value) != 64 || c.Secure {
		t.Errorf("the cookie: %v", c)
	}
	again := &browser{managed: m}
	if resp, text := again.ask(t, http.MethodPost, "/admin/signin", body, "Authorization", header); resp.StatusCode != http.StatusUnauthorized || again.cookie != nil {
		t.Errorf("the same event again: %s %s", resp.Status, text)
	}
}

func TestTheCookieOfHTTPSIsOfThisHostAlone(t *testing.T) {
	m := start(t, func(c *relay.Config) { c.URL = "wss://relay.example.com" })
	b := &browser{managed: m}
	header, body := b.signed(t, boss, func(e *event.Event) { e.Tags[0][1] = "https://relay.example.com/admin/signin" })
	resp, text := b.ask(t, http.MethodPost, "/admin/signin", body, "Authorization", header, "Origin", "https://relay.example.com")
	if c := b.cookie; c == nil || !c.Secure || c.Name != "__Host-moa-admin" || c.Path != "/" || c.Domain != "" {
		t.Errorf("%s %s: %v", resp.Status, text, c)
	}
	header, body = b.signed(t, boss, nil)
	if resp, _ := b.ask(t, http.MethodPost, "/admin/signin", body, "Authorization", header); resp.StatusCode != http.StatusForbidden {
		t.Errorf("at another address than url: %s", resp.Status)
	}
}

func TestAnAddressTriesToSignInSoOftenOnly(t *testing.T) {
	m := start(t, func(c *relay.Config) { c.URL = "wss://relay.example.com" })
	m.Hold()
	b := &browser{managed: m}
	try := func(path string) int {
		resp, _ := b.ask(t, http.MethodPost, path, "", "Origin", "https://relay.example.com")
		return resp.StatusCode
	}
	for i := range 60 {
		if code := try("/admin/signin"); code != http.StatusUnauthorized {
			t.Fatalf("try %d: %d", i, code)
		}
	}
	for _, path := range []string{"/admin/signin", "/admin/signin/"} {
		if code := try(path); code != http.StatusTooManyRequests {
			t.Errorf("%s, once more: %d", path, code)
		}
	}
	if code, _ := b.get(t, "/admin"); code != http.StatusOK {
		t.Errorf("the page to sign in on: %d", code)
	}
	m.Advance(time.Minute)
	if code := try("/admin/signin"); code != http.StatusUnauthorized {
		t.Errorf("a minute later: %d", code)
	}
}

func TestSessionsEnd(t *testing.T) {
	m := start(t, nil)
	m.Hold()
	in := func(b *browser) bool {
		_, text := b.get(t, "/admin")
		return strings.Contains(text, "<h1>Overview</h1>")
	}
	b := m.signIn(t, boss)
	stolen := &browser{managed: m, cookie: b.cookie, csrf: b.csrf}
	if !in(stolen) {
		t.Fatal("a copy of the cookie does not work to begin with")
	}
	if code, _ := b.post(t, "/admin/signout"); code != http.StatusSeeOther || b.cookie != nil {
		t.Errorf("sign-out: %d, %v", code, b.cookie)
	}
	if in(stolen) {
		t.Error("a copy of the cookie works after the sign-out")
	}
	if code, _ := stolen.post(t, "/admin/members/add", "key", bob.Hex()); code != http.StatusUnauthorized {
		t.Errorf("it changes something after the sign-out: %d", code)
	}

	b = m.signIn(t, boss)
	m.Advance(29 * time.Minute)
	if !in(b) {
		t.Error("a session ends that was used half an hour ago")
	}
	m.Advance(31 * time.Minute)
	if in(b) {
		t.Error("a session goes on that was idle for more than half an hour")
	}

	b = m.signIn(t, boss)
	for range 25 {
		in(b)
		m.Advance(29 * time.Minute)
	}
	if in(b) {
		t.Error("a session goes on after 12 hours")
	}

	b = m.signIn(t, boss)
	first := b
	for range 8 {
		m.Advance(time.Second)
		b = m.signIn(t, boss)
	}
	if in(first) || !in(b) {
		t.Error("of nine sessions of a key the oldest does not make room")
	}
	m.dropped.Store(true)
	if in(b) {
		t.Error("a session goes on without a right")
	}
	m.dropped.Store(false)
	if in(b) {
		t.Error("a session comes back with its right")
	}
}

func TestAnotherSiteChangesNothing(t *testing.T) {
	m := start(t, nil)
	b := m.signIn(t, boss)
	form := url.Values{"csrf": {b.csrf}, "key": {bob.Hex()}}.Encode()
	other := m.signIn(t, boss)
	for name, c := range map[string]struct {
		form   string
		header []string
	}{
		"no token":             {"key=" + bob.Hex(), nil},
		"a wrong token":        {"csrf=" + strings.Repeat("0", 64) + "&key=" + bob.Hex(), nil},
		"of another session":   {"csrf=" + other.csrf + "&key=" + bob.Hex(), nil},
		"another site":         {form, []string{"Origin", "https://evil.example"}},
		"another port":         {form, []string{"Origin", "http://127.0.0.1:1"}},
		"another scheme":       {form, []string{"Origin", "https://" + m.Addr}},
		"no Origin":            {form, []string{"Origin", ""}},
		"a sandbox":            {form, []string{"Origin", "null"}},
		"a forged Host":        {form, []string{"Host", "evil.example", "Origin", "http://evil.example"}},
		"a token in the query": {"key=" + bob.Hex(), []string{"X", "y"}},
	} {
		path := "/admin/members/add"
		if c.header != nil && c.header[0] == "X" {
			path += "?csrf=" + b.csrf
		}
		if resp, text := b.ask(t, http.MethodPost, path, c.form, c.header...); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s: %s\n%s", name, resp.Status, text)
		}
	}
	if resp, _ := b.ask(t, http.MethodGet, "/admin/members/add?"+form, ""); resp.StatusCode != http.StatusNotFound {
		t.Errorf("a GET: %s", resp.Status)
	}
	if resp, _ := b.ask(t, http.MethodPost, "/admin/members/add", form+"&x="+strings.Repeat("x", 64<<10)); resp.StatusCode != http.StatusBadRequest {
		t.Errorf("a long form: %s", resp.Status)
	}
	if list := m.changes(t); len(list) > 0 {
		t.Errorf("changes: %v", list)
	}
	if text := b.does(t, "/admin/members/add", "key", bob.Hex()); !strings.Contains(text, nip19.Npub(bob.PubKey)) {
		t.Errorf("the member is not listed:\n%s", text)
	}
}

// Each change that can be made is made, and stands in the audit log.
func TestEachChangeIsMadeByTheDesk(t *testing.T) {
	m := start(t, nil)
	_, err := m.state.Roles(), m.state.CreateRole(t.Context(), state.Actor{Door: "shell"}, state.Role{ID: "editor"})
	must(t, err)
	c := m.Dial(t)
	note := bob.Note(t, "buy this")
	c.Accepted(t, note)
	b := m.signIn(t, boss)
	bobs := nip19.Npub(bob.PubKey)

	b.does(t, "/admin/members/add", "key", bobs)
	b.does(t, "/admin/members/give", "key", bobs, "role", "editor")
	b.does(t, "/admin/members/take", "key", bobs, "role", "editor")
	b.does(t, "/admin/members/remove", "key", bobs, "why", "left")
	b.does(t, "/admin/invites/make", "people", "3", "days", "2", "role", "editor")
	list, err := m.state.Invites(t.Context(), nil, 0, 10)
	must(t, err)
	if len(list) != 1 || list[0].Most != 3 || list[0].Until < m.Now().Add(47*time.Hour).Unix() || list[0].By != boss.PubKey || !slices.Equal(list[0].Roles, []string{"editor"}) {
		t.Fatalf("the invite: %+v", list)
	}
	b.does(t, "/admin/invites/cancel", "code", list[0].Code)

	b.does(t, "/admin/reports/hide", "event", note.ID.String(), "why", "an advertisement")
	if got := c.Query(t, `{"ids":["`+note.ID.String()+`"]}`); len(got) > 0 {
		t.Error("a hidden event is shown")
	}
	b.does(t, "/admin/bans/event/lift", "event", note.ID.String())
	if got := c.Query(t, `{"ids":["`+note.ID.String()+`"]}`); len(got) != 1 {
		t.Error("an allowed event is not shown")
	}
	b.does(t, "/admin/bans/event", "event", note.ID.String())
	b.does(t, "/admin/bans/author", "key", bobs, "why", "spam", "days", "1")
	c.Refused(t, bob.Note(t, "more"), "blocked: ")
	b.does(t, "/admin/bans/author/lift", "key", bobs)
	c.Accepted(t, bob.Note(t, "thanks"))
	b.does(t, "/admin/reports/ban", "key", bobs, "erase", "yes")
	if got := c.Query(t, `{"authors":["`+bob.Hex()+`"]}`); len(got) > 0 {
		t.Error("what was to be erased is stored")
	}
	b.does(t, "/admin/bans/address", "address", "203.0.113.0/24", "why", "a flood")
	b.does(t, "/admin/bans/address/lift", "address", "203.0.113.0/24")
	b.does(t, "/admin/reports/dismiss", "key", nip19.Npub(alice.PubKey))

	want := []string{
		"page boss close reports", "page boss unblock address", "page boss block address", "page boss ban author",
		"page boss unban author", "page boss ban author", "page boss remove event", "page boss allow event", "page boss hide event",
		"page boss cancel invite", "page boss create invite",
		"page boss remove member", "page boss unassign role", "page boss assign role", "page boss add member", "shell  create role",
	}
	if got := m.changes(t); !slices.Equal(got, want) {
		t.Errorf("the audit log has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if _, text := b.get(t, "/admin/log"); strings.Count(text, "through page") != len(want)-1 || !strings.Contains(text, "an advertisement") {
		t.Errorf("the page shows\n%s", text)
	}
	for path, fields := range map[string][]string{
		"/admin/members/add":  {"key", "nobody"},
		"/admin/members/give": {"key", bobs, "role", "king"},
		"/admin/invites/make": {"people", "many"},
		"/admin/bans/address": {"address", "0.0.0.0/0"},
		"/admin/bans/author":  {"key", nip19.Nsec(bob.Secret)},
		"/admin/bans/event":   {"event", ""},
	} {
		if code, text := b.post(t, path, fields...); code != http.StatusBadRequest || !strings.Contains(text, "This cannot be done: ") || strings.Contains(text, nip19.Nsec(bob.Secret)) {
			t.Errorf("%s %v: %d\n%s", path, fields, code, text)
		}
	}
}

func TestAModeratorSeesAndDoesWhatModeratorsMay(t *testing.T) {
	m := start(t, nil)
	b := m.signIn(t, warden)
	_, text := b.get(t, "/admin")
	for _, hidden := range []string{"/admin/members", "/admin/invites", "/admin/log", "disk", "backup"} {
		if strings.Contains(text, hidden) {
			t.Errorf("the overview tells a moderator of %s", hidden)
		}
	}
	for _, path := range []string{"/admin/members", "/admin/invites", "/admin/log"} {
		if code, text := b.get(t, path); code != http.StatusForbidden || !strings.Contains(text, "<h1>Overview</h1>") {
			t.Errorf("%s: %d", path, code)
		}
	}
	if _, text := b.get(t, "/admin/bans"); strings.Contains(text, "Addresses") || strings.Contains(text, `name="erase"`) {
		t.Error("a moderator sees addresses, or may erase")
	}
	bobs := nip19.Npub(bob.PubKey)
	for path, fields := range map[string][]string{
		"/admin/members/add":    {"key", bobs},
		"/admin/invites/make":   {},
		"/admin/bans/address":   {"address", "203.0.113.1"},
		"/admin/members/give":   {"key", bobs, "role", "x"},
		"/admin/bans/author":    {"key", bobs, "erase", "yes"},
		"/admin/reports/ban":    {"key", bobs, "erase", "yes"},
		"/admin/members/take":   {"key", bobs, "role", "x"},
		"/admin/invites/cancel": {"code", "x"},
	} {
		if code, _ := b.post(t, path, fields...); code != http.StatusForbidden {
			t.Errorf("%s: %d", path, code)
		}
	}
	if code, text := b.post(t, "/admin/bans/author", "key", boss.Hex()); code != http.StatusBadRequest {
		t.Errorf("a moderator bans an administrator: %d\n%s", code, text)
	}
	if n := len(m.changes(t)); n > 0 {
		t.Errorf("%d changes", n)
	}
	b.does(t, "/admin/bans/author", "key", bobs)
}

func TestWhatPeopleWriteIsTextOnThePage(t *testing.T) {
	const evil = `<script>alert(1)</script>"><img src=x onerror=alert(1)>`
	m := start(t, nil)
	c := m.Dial(t)
	note := bob.Note(t, evil)
	c.Accepted(t, note)
	c.Accepted(t, alice.Sign(t, event.Event{
		Kind: 1984, CreatedAt: m.Now().Unix(), Content: evil,
		Tags: []event.Tag{{"p", bob.Hex(), "spam"}, {"e", note.ID.String(), "spam"}},
	}))
	secret := bob.Sign(t, event.Event{Kind: 4, CreatedAt: m.Now().Unix(), Content: "between us", Tags: []event.Tag{{"p", alice.Hex()}}})
	c.Accepted(t, secret)
	c.Accepted(t, alice.Sign(t, event.Event{
		Kind: 1984, CreatedAt: m.Now().Unix(), Tags: []event.Tag{{"p", bob.Hex()}, {"e", secret.ID.String(), "spam"}},
	}))
	by := state.Actor{Key: boss.PubKey, Door: "shell"}
	must(t, m.state.CreateRole(t.Context(), by, state.Role{ID: "r", Label: evil}))
	must(t, m.state.AddMember(t.Context(), by, state.Membership{PubKey: alice.PubKey, Note: evil, Roles: []string{"r"}}))
	must(t, m.state.BanAuthor(t.Context(), by, warden.PubKey, state.Ban{Why: evil}, 0))
	b := m.signIn(t, boss)
	for path, shows := range map[string]string{
		"/admin/reports":                        "&lt;script&gt;alert(1)",
		"/admin/members":                        "&lt;script&gt;alert(1)",
		"/admin/bans":                           "&lt;script&gt;alert(1)",
		"/admin/log":                            "&lt;script&gt;alert(1)",
		"/admin/log?of=%3Cscript%3E":            "&lt;script&gt;",
		"/admin/members?key=%3Cscript%3E%22%3E": "&lt;script&gt;",
	} {
		_, text := b.get(t, path)
		if strings.Contains(text, "<script") || strings.Contains(text, "<img") || !strings.Contains(text, shows) {
			t.Errorf("%s:\n%s", path, text)
		}
	}
	_, text := b.get(t, "/admin/reports")
	if strings.Contains(text, "between us") || !strings.Contains(text, "You may not read this event") {
		t.Error("the page shows a message between others")
	}
}

func TestEmptyPagesSayWhatToDo(t *testing.T) {
	b := start(t, nil).signIn(t, boss)
	for path, n := range map[string]int{"/admin/members": 1, "/admin/invites": 1, "/admin/reports": 1, "/admin/bans": 3, "/admin/log": 1} {
		if _, text := b.get(t, path); strings.Count(text, `class="empty"`) != n {
			t.Errorf("%s:\n%s", path, text)
		}
	}
	if code, text := b.get(t, "/admin/nothing"); code != http.StatusNotFound || !strings.Contains(text, "There is no such page.") {
		t.Errorf("no page: %d", code)
	}
}
