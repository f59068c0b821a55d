package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/relaytest"
)

// describedBy waits for the event about a relay.
func describedBy(t *testing.T, s *server) *event.Event {
	t.Helper()
	c := relaytest.Dial(t, s.URL)
	var found *event.Event
	relaytest.Eventually(t, "the event about the relay", func() bool {
		if got := c.Query(t, `{"kinds":[30166]}`); len(got) > 0 {
			found = got[0]
		}
		return found != nil
	})
	return found
}

// fetchText gets a path of a relay over HTTP.
func fetchText(t *testing.T, url, path, accept string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+strings.TrimPrefix(url, "ws")+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", accept)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestTheRelaysKeyIsMadeOnceAndNeverShown(t *testing.T) {
	data, other := t.TempDir(), serveIn(t, t.TempDir())
	args := []string{"--url", "wss://relay.example.com", "--self.publish", "true", "--self.relays", other.URL, "--log-level", "debug", "--metrics.public", "true"}
	s := serveIn(t, data, args...)
	first := describedBy(t, s)
	if got := describedBy(t, other); got.ID != first.ID {
		t.Error("the other relay has another event")
	}
	path := filepath.Join(data, config.KeyFile)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file of the key is %v, %v", info.Mode(), err)
	}
	secret, err := nip19.ParseSecret(string(text))
	if err != nil {
		t.Fatal(err)
	}
	metrics, document := fetchText(t, s.URL, "/metrics", ""), fetchText(t, s.URL, "/", "application/nostr+json")
	s.Signal(t, syscall.SIGTERM)
	s.Wait(t)
	for what, shown := range map[string]string{"log": s.lines(), "metrics": metrics, "document": document} {
		if shown == "" || strings.Contains(shown, nip19.Nsec(secret)) || strings.Contains(shown, fmt.Sprintf("%x", secret)) {
			t.Errorf("the %s, of %d bytes, shows the secret", what, len(shown))
		}
	}
	again := serveIn(t, data, args...)
	if got := describedBy(t, again); got.ID != first.ID {
		t.Error("another event after a restart")
	}
	var doc struct{ Self string }
	if err := json.Unmarshal([]byte(fetchText(t, again.URL, "/", "application/nostr+json")), &doc); err != nil || doc.Self != first.PubKey.String() {
		t.Errorf("self is %q, %v", doc.Self, err)
	}
}

func TestTheRelaysKeyFromTheConfiguration(t *testing.T) {
	key := relaytest.NewKey(9)
	nsec := nip19.Nsec(key.Secret)
	t.Setenv("MOA_SELF_KEY", nsec)
	s := serveIn(t, t.TempDir(), "--url", "wss://relay.example.com", "--self.publish", "true")
	if e := describedBy(t, s); e.PubKey != key.PubKey {
		t.Errorf("signed by %s", e.PubKey)
	}
	for _, bad := range []string{nsec[:50], strings.Repeat("f", 64), nip19.Npub(key.PubKey)} {
		t.Setenv("MOA_SELF_KEY", bad)
		stdout, stderr, code := run(t, "", "check-config")
		if code != 2 || !strings.Contains(stderr, "self.key") || strings.Contains(stdout+stderr, bad) {
			t.Errorf("exit code %d: %s", code, stderr)
		}
	}
	t.Setenv("MOA_SELF_KEY", nsec)
	const shown = "--self.key: everybody on this machine"
	if _, stderr, _ := run(t, "", "check-config"); strings.Contains(stderr, shown) {
		t.Errorf("from the environment, and warned of: %s", stderr)
	}
	os.Unsetenv("MOA_SELF_KEY")
	if _, stderr, code := run(t, "", "check-config", "--self.key", nsec); code != 0 || !strings.Contains(stderr, shown) || strings.Contains(stderr, nsec) {
		t.Errorf("on the command line: exit code %d: %s", code, stderr)
	}
	t.Setenv("MOA_SELF_KEY", nsec)
	if _, stderr, code := run(t, "", "check-config", "--info.self", relaytest.NewKey(8).Hex(), "--self.key-file", "x"); code != 2 ||
		!strings.Contains(stderr, "info.self: it is not "+key.Hex()) || !strings.Contains(stderr, "self.key_file: ") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
}

// A relay that is started in another folder would make itself another key.
func TestARelativeKeyFileIsWarnedOf(t *testing.T) {
	const warned = "self.key_file: it is looked for in the folder in which a command is started"
	for path, want := range map[string]bool{"relay.key": true, filepath.Join(t.TempDir(), "relay.key"): false, "": false} {
		_, stderr, code := run(t, "", "check-config", "--self.key-file", path)
		if code != 0 || strings.Contains(stderr, warned) != want {
			t.Errorf("%q: exit code %d: %s", path, code, stderr)
		}
	}
}

func TestTheRelaysKeyFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	args := []string{"--url", "wss://relay.example.com", "--self.key-file", path}
	if err := os.WriteFile(path, []byte("nonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, code := run(t, "", append([]string{"serve", "--listen", "127.0.0.1:0", "--data", t.TempDir()}, args...)...)
	if code != 2 || !strings.Contains(stderr, path+": not a secret key") || strings.Contains(stderr, "nonsense") {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	key := relaytest.NewKey(9)
	if err := os.WriteFile(path, fmt.Appendf(nil, "%x\n", key.Secret), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	s := serveIn(t, t.TempDir(), args...)
	if s.logged("others than its owner can read the relay's secret key: chmod 600 it") == nil {
		t.Error("that others can read it is not told")
	}
	if doc := fetchText(t, s.URL, "/", "application/nostr+json"); !strings.Contains(doc, key.Hex()) {
		t.Errorf("self is missing in %s", doc)
	}
}
