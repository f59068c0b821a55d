package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip46"

	"moa/cmd/moa/internal/manager"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/relaytest"
)

// managedRelay is a relay that owner administers and guest moderates.
type managedRelay struct {
	*server
	data, config string
}

func serveManaged(t *testing.T) *managedRelay {
	t.Helper()
	m := &managedRelay{data: filepath.Join(t.TempDir(), "data"), config: writeConfig(t, `
[info]
name = "configured"
[admin]
administrators = ["`+nip19.Npub(owner.PubKey)+`"]
moderators = ["`+guest.Hex()+`"]
`)}
	m.server = serveIn(t, m.data, "--config", m.config)
	return m
}

// name is what NIP-11 says.
func (m *managedRelay) name(t *testing.T) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+strings.TrimPrefix(m.URL, "ws"), nil)
	mustDo(t, err)
	req.Header.Set("Accept", "application/nostr+json")
	res, err := http.DefaultClient.Do(req)
	mustDo(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	mustDo(t, err)
	var doc struct{ Name string }
	mustDo(t, json.Unmarshal(text, &doc))
	return doc.Name
}

// call makes a signed call.
func (m *managedRelay) call(t *testing.T, by relaytest.Key, words ...string) error {
	c, err := manager.NewCall(words[0], words[1:], manager.Options{})
	if err != nil {
		return err
	}
	_, err = manager.Send(t.Context(), "http"+strings.TrimPrefix(m.URL, "ws")+"/", c, func(_ context.Context, e event.Event) (*event.Event, error) {
		return by.Sign(t, e), nil
	})
	return err
}

func TestAdminCallsARelayFromElsewhere(t *testing.T) {
	m := serveManaged(t)
	keyFile := file(t, "key", nip19.Nsec(owner.Secret)+"\n")
	admin := func(args ...string) string {
		t.Helper()
		said, _ := good(t, append([]string{"admin", "--relay", m.URL, "--key-file", keyFile}, args...)...)
		return said
	}
	c := relaytest.Dial(t, m.URL)
	note := nuisance.Note(t, "spam")
	c.Accepted(t, note)
	if said := admin("banpubkey", nip19.Npub(nuisance.PubKey), "spam \x1b[31m", "--erase"); said != "done\n" {
		t.Errorf("banpubkey says %q", said)
	}
	c.Refused(t, nuisance.Note(t, "more"), "blocked: ")
	if got := c.Query(t, `{"ids":["`+note.ID.String()+`"]}`); len(got) > 0 {
		t.Error("what was to be erased is stored")
	}
	if said := admin("listbannedpubkeys"); said != nip19.Npub(nuisance.PubKey)+`  spam \x1b[31m`+"\n" {
		t.Errorf("listbannedpubkeys says %q", said)
	}
	var list []map[string]string
	mustDo(t, json.Unmarshal([]byte(admin("listbannedpubkeys", "--json")), &list))
	if len(list) != 1 || list[0]["pubkey"] != nuisance.Hex() {
		t.Errorf("as JSON: %v", list)
	}
	if _, said := good(t, "admin", "--relay", m.URL, "--key-file", keyFile, "listbannedpubkeys", "--limit", "1"); said != "there may be more: --after "+nuisance.Hex()+"\n" {
		t.Errorf("of a page that is full it says %q", said)
	}
	if said := admin("listbannedpubkeys", "--after", nip19.Npub(nuisance.PubKey)); said != "nothing\n" {
		t.Errorf("behind the last it says %q", said)
	}
	admin("changerelayname", "Nest")
	if name := m.name(t); name != "Nest" {
		t.Errorf("NIP-11 says %q", name)
	}
	if said := admin("supportedmethods"); !strings.Contains(said, "blockip\n") || !strings.Contains(said, "resetsetting\n") {
		t.Errorf("supportedmethods says\n%s", said)
	}

	// A moderator, by the environment.
	t.Setenv("MOA_ADMIN_KEY", nip19.Nsec(guest.Secret))
	if said, _ := good(t, "admin", "--relay", m.URL, "supportedmethods"); strings.Contains(said, "changerelayname") || !strings.Contains(said, "banevent\n") {
		t.Errorf("a moderator may\n%s", said)
	}
	for name, c := range map[string]struct {
		args []string
		code int
		says string
	}{
		"beyond the rights":   {[]string{"--relay", m.URL, "changerelayname", "Mine"}, 1, "the relay says 403: an administrator"},
		"another name":        {[]string{"--relay", strings.Replace(m.URL, "127.0.0.1", "127.0.0.2", 1), "supportedmethods"}, 1, ""},
		"nobody":              {[]string{"--relay", m.URL, "--key-file", file(t, "key", nip19.Nsec(nuisance.Secret)), "supportedmethods"}, 1, "403: this key does not manage"},
		"no method":           {nil, 2, "name a method"},
		"no such method here": {[]string{"--relay", m.URL, "fly", "7"}, 1, "no such method"},
		"a wrong parameter":   {[]string{"--relay", m.URL, "allowkind", "notes"}, 2, "kind: want an integer"},
		"too many":            {[]string{"--relay", m.URL, "allowkind", "1", "2"}, 2, "wants: allowkind KIND"},
		"a secret key":        {[]string{"--relay", m.URL, "banpubkey", nip19.Nsec(nuisance.Secret)}, 2, "secret key"},
		"no URL of a relay":   {[]string{"--relay", "ftp://a", "supportedmethods"}, 2, "ws://"},
		"no bunker":           {[]string{"--relay", m.URL, "--bunker", "bunker://x", "supportedmethods"}, 2, "bunker://PUBKEY"},
		"no key at all":       {[]string{"--relay", m.URL, "--key-file", "/no/such/file", "supportedmethods"}, 2, "--key-file"},
		"a key and no relay":  {[]string{"--key-file", keyFile, "supportedmethods"}, 2, "--relay is missing"},
	} {
		if _, said, code := run(t, "", append([]string{"admin"}, c.args...)...); code != c.code || !strings.Contains(said, c.says) || strings.Contains(said, nip19.Nsec(nuisance.Secret)) {
			t.Errorf("%s: exit code %d, %q", name, code, said)
		}
	}
}

// The relay of a data folder is managed without a URL and without a key. What was set
// stands over the file, which the start and check-config say.
func TestAdminManagesTheRelayOfThisMachine(t *testing.T) {
	m := serveManaged(t)
	admin := func(args ...string) string {
		t.Helper()
		said, _ := good(t, append([]string{"admin", "--data", m.data}, args...)...)
		return said
	}
	admin("changerelayname", "Nest")
	admin("disallowkind", "4")
	admin("blockip", "203.0.113.0/24", "scans")
	if said := admin("listblockedips"); !strings.HasPrefix(said, "203.0.113.0/24 ") || !strings.HasSuffix(said, "  scans\n") {
		t.Errorf("listblockedips says %q", said)
	}
	if _, said, code := run(t, "", "admin", "--data", m.data, "resetsetting", "port"); code != 1 || !strings.Contains(said, "no setting") {
		t.Errorf("a setting that there is not: exit code %d, %q", code, said)
	}
	m.Kill()
	m.server = serveIn(t, m.data, "--config", m.config)
	for _, key := range []string{"info.name", "kind:4"} {
		relaytest.Eventually(t, "the start names "+key, func() bool {
			return strings.Contains(m.lines(), "a door has set this") && strings.Contains(m.lines(), key)
		})
	}
	if name := m.name(t); name != "Nest" {
		t.Errorf("after a crash NIP-11 says %q", name)
	}
	_, said := good(t, "check-config", "--data", m.data, m.config)
	for _, line := range []string{"note: info.name: a door has set this", "moa admin reset name\n", "moa admin reset kind:4\n"} {
		if !strings.Contains(said, line) {
			t.Errorf("check-config does not say %q:\n%s", line, said)
		}
	}
	admin("reset", "name")
	admin("reset", "kind:4")
	if name := m.name(t); name != "configured" {
		t.Errorf("after a reset NIP-11 says %q", name)
	}
	if _, said := good(t, "check-config", "--data", m.data, m.config); strings.Contains(said, "a door") {
		t.Errorf("after a reset check-config says\n%s", said)
	}
	if said, _ := good(t, "moderation", "log", "--data", m.data); !strings.Contains(said, "shell") || !strings.Contains(said, "203.0.113.0/24") {
		t.Errorf("the audit log says\n%s", said)
	}
}

// bunker answers for a key over a relay (NIP-46).
func bunker(t *testing.T, at string, key relaytest.Key) (url string) {
	t.Helper()
	signer := nip46.NewStaticKeySigner(hex.EncodeToString(key.Secret[:]))
	relay, err := nostr.RelayConnect(t.Context(), at)
	mustDo(t, err)
	sub, err := relay.Subscribe(t.Context(), nostr.Filters{{Kinds: []int{nostr.KindNostrConnect}, Tags: nostr.TagMap{"p": {key.Hex()}}}})
	mustDo(t, err)
	ended := make(chan struct{})
	t.Cleanup(func() { relay.Close(); <-ended })
	go func() {
		defer close(ended)
		for e := range sub.Events {
			if _, _, answer, err := signer.HandleRequest(t.Context(), e); err == nil {
				_ = relay.Publish(t.Context(), answer) // the relay may be gone
			}
		}
	}()
	return "bunker://" + key.Hex() + "?relay=" + at + "&secret=abc"
}

func TestAdminIsSignedByABunker(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	m := serveManaged(t)
	at := bunker(t, m.URL, owner) + "&relay=ws://127.0.0.1:1" // one of its relays may be down
	for range 2 {
		if said, _ := good(t, "admin", "--relay", m.URL, "--bunker", at, "supportedmethods"); !strings.Contains(said, "changerelayname\n") {
			t.Errorf("supportedmethods says\n%s", said)
		}
	}
	info, err := os.Stat(filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "moa", "bunker-client.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key by which the bunker knows moa: %v, %v", info, err)
	}
}
