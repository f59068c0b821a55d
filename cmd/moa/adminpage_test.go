package main

import (
	"encoding/base64"
	"io"
	"net/http"
	"os"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/relaytest"
)

// page asks for a page of operators, or sends a body there.
func (m *managedRelay) page(t *testing.T, method, path, body string, cookie *http.Cookie, header ...string) (*http.Response, string) {
	t.Helper()
	base := "http" + strings.TrimPrefix(m.URL, "ws")
	req, err := http.NewRequestWithContext(t.Context(), method, base+path, strings.NewReader(body))
	mustDo(t, err)
	req.Header.Set("Origin", base)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	if cookie != nil {
		req.AddCookie(cookie)
	}
	res, err := http.DefaultTransport.RoundTrip(req)
	mustDo(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	mustDo(t, err)
	return res, string(text)
}

var challenged = regexp.MustCompile(`data-challenge="([^"]+)" data-payload="([0-9a-f]{64})"`)

// An operator sees the relay's figures on the page, and nothing any more once the
// configuration does not name them.
func TestTheAdminPageIsForThoseInForce(t *testing.T) {
	m := serveManaged(t)
	good(t, "admin", "--data", m.data, "changerelayname", "Nest")
	c := relaytest.Dial(t, m.URL)
	c.Accepted(t, nuisance.Note(t, "hello"))

	_, text := m.page(t, http.MethodGet, "/admin", "", nil)
	found := challenged.FindStringSubmatch(text)
	if found == nil {
		t.Fatalf("there is nothing to sign on\n%s", text)
	}
	e := owner.Sign(t, event.Event{Kind: event.KindHTTPAuth, CreatedAt: time.Now().Unix(), Tags: []event.Tag{
		{"u", "http" + strings.TrimPrefix(m.URL, "ws") + "/admin/signin"}, {"method", "POST"}, {"payload", found[2]},
	}})
	res, text := m.page(t, http.MethodPost, "/admin/signin", found[1], nil, "Authorization", "Nostr "+base64.StdEncoding.EncodeToString(e.Raw))
	if res.StatusCode != http.StatusNoContent || len(res.Cookies()) != 1 {
		t.Fatalf("sign-in: %s %s", res.Status, text)
	}
	cookie := res.Cookies()[0]
	_, text = m.page(t, http.MethodGet, "/admin", "", cookie)
	for _, want := range []string{"The store reports no trouble.", "<dt>Stored events</dt><dd>1</dd>", "are free", "moa store backup", "<code>info.name</code>", nip19.Npub(owner.PubKey)} {
		if !strings.Contains(text, want) {
			t.Errorf("the overview lacks %q:\n%s", want, text)
		}
	}

	res, text = m.page(t, http.MethodPost, "/admin/signin", found[1], nil, "Authorization", "Nostr "+base64.StdEncoding.EncodeToString(e.Raw))
	if res.StatusCode != http.StatusUnauthorized {
		t.Errorf("the same event again: %s %s", res.Status, text)
	}
	_, text = m.page(t, http.MethodGet, "/metrics", "", nil)
	for _, want := range []string{`{result="ok"} 1`, `{result="unauthorized"} 1`, `{result="forbidden"} 0`} {
		if !strings.Contains(text, "moa_admin_sign_ins_total"+want) {
			t.Errorf("the metrics lack moa_admin_sign_ins_total%s", want)
		}
	}

	mustDo(t, os.WriteFile(m.config, []byte("[admin]\nmoderators = [\""+guest.Hex()+"\"]\n"), 0o600))
	m.Signal(t, syscall.SIGHUP)
	relaytest.Eventually(t, "somebody that is not named any more is signed out", func() bool {
		_, text := m.page(t, http.MethodGet, "/admin", "", cookie)
		return strings.Contains(text, "Sign in with an extension")
	})
	mustDo(t, os.WriteFile(m.config, nil, 0o600))
	m.Signal(t, syscall.SIGHUP)
	relaytest.Eventually(t, "there is no page", func() bool {
		res, _ := m.page(t, http.MethodGet, "/admin", "", cookie)
		return res.StatusCode == http.StatusNotFound
	})
}
