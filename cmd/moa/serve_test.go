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
	"time"

	"moa/cmd/moa/internal/config"
	"moa/nips/testwait"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
)

func TestEverythingIsFoundAgainAfterSIGTERM(t *testing.T) {
	data := t.TempDir()
	s := serveIn(t, data)
	alice := relaytest.NewKey(1)
	note := alice.Note(t, "still here")
	relaytest.Dial(t, s.URL).Accepted(t, note)
	s.Signal(t, syscall.SIGTERM)
	if code := s.Wait(t); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, s.lines())
	}
	if announced(data) != "" {
		t.Error("the URL is still announced")
	}
	c := relaytest.Dial(t, serveIn(t, data).URL)
	c.Say(t, `["REQ","a",{"ids":[%q]}]`, note.ID)
	if r := c.Hear(t, wire.Event); string(r.Event) != string(note.Raw) {
		t.Errorf("found %s", r.Event)
	}
}

func TestSecondSignalEndsAtOnce(t *testing.T) {
	// A connection is only closed when its event is decided, which takes a minute here.
	asked := filepath.Join(t.TempDir(), "asked")
	config := writeConfig(t, "[[policy]]\nuse = \"plugin\"\ntimeout = \"1m\"\ncommand = \"read line; touch "+asked+"; exec sleep 1000\"\n")
	s := serveIn(t, t.TempDir(), "--config", config, "--process.shutdown-grace", "1h")
	relaytest.Dial(t, s.URL).Publish(t, relaytest.NewKey(1).Note(t, "hello"))
	relaytest.Eventually(t, "the plugin is asked", func() bool { _, err := os.Stat(asked); return err == nil })
	s.Signal(t, syscall.SIGINT)
	s.waitFor(t, "stopping")
	s.Signal(t, syscall.SIGTERM)
	if code := s.Wait(t); code != 1 {
		t.Errorf("exit code %d:\n%s", code, s.lines())
	}
	said := s.logged("ended at once by a second signal")
	if said["signal"] != "terminated" || said["connections"] != 1.0 || said["events"] != 0.0 || said["exit"] != 1.0 ||
		!strings.Contains(fmt.Sprint(said["running"]), "session") || said["after"] == nil {
		t.Errorf("what it gives up is not said: %v", said["line"])
	}
}

func TestFolderInUseIsExplained(t *testing.T) {
	data := t.TempDir()
	s := serveIn(t, data)
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"import"}, {"export"}} {
		_, stderr, code := run(t, "", append(args, "--data", data)...)
		if code != 1 || !strings.Contains(stderr, "another moa") || !strings.Contains(stderr, "--relay "+s.URL) {
			t.Errorf("%s: exit code %d: %s", args[0], code, stderr)
		}
	}
}

// A start that is refused because a port is taken says which, and makes no store.
func TestPortInUseIsExplained(t *testing.T) {
	s := serveIn(t, t.TempDir())
	addr := strings.TrimPrefix(s.URL, "ws://")
	data := filepath.Join(t.TempDir(), "new", "store")
	for flag, args := range map[string][]string{
		"--listen":         {"--listen", addr},
		"--metrics.listen": {"--listen", "127.0.0.1:0", "--metrics.listen", addr},
	} {
		for _, dir := range []string{data, t.TempDir()} {
			_, stderr, code := run(t, "", append([]string{"serve", "--data", dir}, args...)...)
			if code != 1 || !strings.Contains(stderr, addr+" is taken") || !strings.Contains(stderr, "choose another with "+flag+":") {
				t.Errorf("%s: exit code %d: %s", flag, code, stderr)
			}
		}
		if _, err := os.Lstat(filepath.Dir(data)); err == nil {
			t.Errorf("%s: the data folder was made", flag)
		}
	}
}

func TestAnAddressOfAnotherMachineIsExplained(t *testing.T) {
	c := config.Default()
	c.Listen, c.MetricsListen = "192.0.2.1:7447", "192.0.2.2:7448"
	err := os.NewSyscallError("bind", syscall.EADDRNOTAVAIL)
	for want, err := range map[string]error{
		"192.0.2.1:7447 is no address of this machine; choose another with --listen: ":         err,
		"192.0.2.2:7448 is no address of this machine; choose another with --metrics.listen: ": fmt.Errorf("%w: %w", relay.ErrMetricsListen, err),
	} {
		if said := listenError(&c, err).Error(); !strings.HasPrefix(said, want) {
			t.Errorf("%q, want %q", said, want)
		}
	}
}

func TestHealthcheckTellsHowTheRelayIs(t *testing.T) {
	s := serveIn(t, t.TempDir())
	addr := strings.TrimPrefix(s.URL, "ws://")
	relaytest.Eventually(t, "healthy", func() bool {
		_, _, code := run(t, "", "healthcheck", "--listen", addr)
		return code == 0
	})
	s.Kill()
	if _, _, code := run(t, "", "healthcheck", "--listen", addr); code != 1 {
		t.Errorf("a dead relay is healthy: %d", code)
	}
}

// A relay that only cannot store, as on a full disk, is not restarted for it.
func TestHealthcheckOfAFullDisk(t *testing.T) {
	s := serveIn(t, t.TempDir(), "--store.reserve-mib", "1000000000000")
	addr := strings.TrimPrefix(s.URL, "ws://")
	relaytest.Eventually(t, "the relay lives", func() bool {
		_, _, code := run(t, "", "healthcheck", "--listen", addr)
		return code == 0
	})
	if _, stderr, code := run(t, "", "healthcheck", "--ready", "--listen", addr); code != 1 || !strings.Contains(stderr, "503") {
		t.Errorf("with --ready: exit code %d, %s", code, stderr)
	}
}

// relayName asks a relay what it is called (NIP-11).
func relayName(t *testing.T, url string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http"+strings.TrimPrefix(url, "ws"), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "application/nostr+json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var doc struct{ Name string }
	if err := json.NewDecoder(res.Body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc.Name
}

func TestSIGHUPReadsTheFileAgain(t *testing.T) {
	path := writeConfig(t, "[info]\nname = \"one\"\n")
	s := serveIn(t, t.TempDir(), "--config", path)
	if got := relayName(t, s.URL); got != "one" {
		t.Fatalf("the name is %q", got)
	}
	c := relaytest.Dial(t, s.URL)
	alice := relaytest.NewKey(1)
	c.Accepted(t, alice.Note(t, "before"))

	rewrite := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		s.Signal(t, syscall.SIGHUP)
	}
	rewrite("[info]\nname = \"two\"\n[store]\nsync = false\n[[policy]]\nuse = \"kinds\"\ndeny = \"1\"\n")
	relaytest.Eventually(t, "the new name", func() bool { return relayName(t, s.URL) == "two" })
	c.Refused(t, alice.Note(t, "after"), "blocked: ")
	if e := s.waitFor(t, "some changes wait for a restart"); !strings.Contains(e["line"].(string), "store.sync") {
		t.Errorf("said %s", e["line"])
	}

	rewrite("[info]\nname = 3\nnonsense = 1\n[limits]\nfilters = 0\n")
	e := s.waitFor(t, "configuration not reloaded, the old one stays in force")
	for _, want := range []string{"info.name", "info.nonsense", "limits.filters"} {
		if !strings.Contains(e["err"].(string), want) {
			t.Errorf("%s is not told: %s", want, e["err"])
		}
	}
	if got := relayName(t, s.URL); got != "two" {
		t.Errorf("a file with faults made the name %q", got)
	}
	c.Refused(t, alice.Note(t, "after the fault"), "blocked: ")
}

func TestStopIsQuickWithClientsConnected(t *testing.T) {
	s := serveIn(t, t.TempDir(), "--process.shutdown-grace", "1m")
	for range 20 {
		relaytest.Dial(t, s.URL).Accepted(t, relaytest.NewKey(1).Note(t, "hello"))
	}
	began := time.Now()
	s.Signal(t, syscall.SIGTERM)
	if code := s.Wait(t); code != 0 {
		t.Errorf("exit code %d:\n%s", code, s.lines())
	}
	testwait.Speed(t, "the shutdown", time.Since(began), 5*time.Second)
}

// TestAStartWithoutRoomSaysSo starts below the reserve: the log says so, /readyz, the
// health check and clients that publish are told, and clients that read are served.
func TestAStartWithoutRoomSaysSo(t *testing.T) {
	data, _ := dataOf(t, 3)
	s := serveIn(t, data, "--store.reserve-mib", "1000000000")
	s.waitFor(t, "no events can be stored yet")
	addr := strings.TrimPrefix(s.URL, "ws://")
	relaytest.Eventually(t, "/readyz tells of the disk", func() bool {
		res, err := http.Get("http://" + addr + "/readyz")
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		return err == nil && res.StatusCode == http.StatusServiceUnavailable && strings.HasPrefix(string(body), "the disk is full")
	})
	if _, stderr, code := run(t, "", "healthcheck", "--ready", "--listen", addr); code != 1 || !strings.Contains(stderr, "503") {
		t.Errorf("health check: exit code %d, %s", code, stderr)
	}
	c := relaytest.Dial(t, s.URL)
	c.Refused(t, relaytest.NewKey(2).Note(t, "no room"), "error: ")
	if n := len(c.Query(t, `{"kinds":[1]}`)); n != 3 {
		t.Errorf("%d events are read", n)
	}
	s.stop(t)
}

// A client that connects to a public relay without a URL says which relay it is, and
// so what a signature for another relay is good for.
func TestAPublicRelayNeedsItsURL(t *testing.T) {
	for _, c := range []struct {
		args []string
		warn bool
	}{
		{nil, false}, // on loopback
		{[]string{"--trusted-proxies", "127.0.0.1"}, true},
		{[]string{"--trusted-proxies", "127.0.0.1", "--url", "wss://relay.example.com"}, false},
	} {
		s := serveIn(t, t.TempDir(), c.args...)
		s.Signal(t, syscall.SIGTERM)
		s.Wait(t)
		if said := strings.Contains(s.lines(), "url is not set"); said != c.warn {
			t.Errorf("%v:\n%s", c.args, s.lines())
		}
	}
}
