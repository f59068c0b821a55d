package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/coder/websocket"

	"moa/relay/relaytest"
)

// dataOf is the folder of a store with some events.
func dataOf(t *testing.T, n int) (data, text string) {
	t.Helper()
	data, text = filepath.Join(t.TempDir(), "data"), jsonl(notes(t, n))
	good(t, "import", "--data", data, file(t, "in.jsonl", text))
	return data, text
}

func TestExportWritesThroughWhatIsNoFile(t *testing.T) {
	data, text := dataOf(t, 50)
	dir := t.TempDir()
	target, old := filepath.Join(dir, "target.jsonl"), filepath.Join(dir, "old.jsonl")
	link, dangling, pipe, null := filepath.Join(dir, "link.jsonl"), filepath.Join(dir, "dangling.jsonl"), filepath.Join(dir, "pipe.jsonl"), filepath.Join(dir, "null.jsonl")
	for name, mode := range map[string]os.FileMode{target: 0o644, old: 0o644} {
		if err := os.WriteFile(name, []byte("before"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for name, to := range map[string]string{link: "target.jsonl", dangling: "new.jsonl", null: "/dev/null"} {
		if err := os.Symlink(to, name); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	read := make(chan string)
	go func() {
		b, _ := os.ReadFile(pipe)
		read <- string(b)
	}()
	for _, name := range []string{old, link} {
		if _, stderr, code := run(t, "", "export", "--data", data, name); code != 2 || !strings.Contains(stderr, name+" is there already, and stays as it is") {
			t.Errorf("export over %s: exit code %d, %s", name, code, stderr)
		}
	}
	for _, name := range []string{old, target} {
		if text, err := os.ReadFile(name); string(text) != "before" {
			t.Errorf("%s has %d bytes, %v", name, len(text), err)
		}
	}
	for _, name := range []string{old, link, dangling, pipe, null} {
		before, _ := os.Lstat(name)
		args := []string{"export", "--data", data}
		if name == old || name == link {
			args = append(args, "--replace")
		}
		good(t, append(args, name)...)
		if after, err := os.Lstat(name); err != nil || after.Mode().Type() != before.Mode().Type() {
			t.Errorf("%s was %v, is %v, %v", name, before.Mode(), after.Mode(), err)
		}
	}
	if got := <-read; got != text {
		t.Errorf("%d bytes came through the pipe, not %d", len(got), len(text))
	}
	for _, name := range []string{old, target, filepath.Join(dir, "new.jsonl")} {
		got, err := os.ReadFile(name)
		info, _ := os.Stat(name)
		if err != nil || string(got) != text || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has %d bytes, mode %v, %v", name, len(got), info.Mode(), err)
		}
	}
	if out, _ := good(t, "export", "--data", data, "/dev/stdout"); out != text {
		t.Errorf("%d bytes on /dev/stdout, not %d", len(out), len(text))
	}
	if left, _ := filepath.Glob(filepath.Join(dir, "*.part")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// evil is what a terminal would obey.
const evil = "\x1b]0;title\x07\x1b[2J\r\u009b31m\u202e"

// TestWordsOfAnotherRelayAreNoCommands has a relay that sends what a terminal
// would obey, wherever a relay may say something.
func TestWordsOfAnotherRelayAreNoCommands(t *testing.T) {
	for _, answer := range []string{
		`["CLOSED","0","blocked: ` + quoted(evil) + `"]`, `["EVENT","0",{"` + quoted(evil) + `":1}]`, `["` + quoted(evil) + `"]`, evil,
		`["CLOSED","0","\u001b[31m` + "\u009b" + `"]`,
	} {
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				return
			}
			defer c.Close(websocket.StatusPolicyViolation, "\x1b[31mbye")
			if _, _, err := c.Read(r.Context()); err == nil {
				_ = c.Write(r.Context(), websocket.MessageText, []byte(answer))
			}
		}))
		url := "ws" + strings.TrimPrefix(s.URL, "http")
		note := string(relaytest.NewKey(1).Note(t, "hello").Raw)
		for _, args := range [][]string{
			{"export", "--relay", url},
			{"import", "--relay", url},
			{"policy", "test", "--relay", url, "--config", writeConfig(t, "")},
		} {
			stdout, stderr, code := run(t, note, args...)
			if code == 0 || strings.ContainsAny(stdout+stderr, "\x1b\x07\r\u009b\u202e") {
				t.Errorf("%v, %q: exit code %d, %q %q", args, answer, code, stdout, stderr)
			}
		}
		s.Close()
	}
}

// TestWordsOfALoadedRelayAreNoCommands has a relay under test that refuses what is
// asked with what a terminal would obey, and describes itself so.
func TestWordsOfALoadedRelayAreNoCommands(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("Upgrade") == "" {
			_, _ = io.WriteString(w, `{"name":"`+quoted(evil)+`","software":"`+quoted(evil)+`","version":"`+quoted(evil)+`","supported_nips":[1,42,77]}`)
			return
		}
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		say := func(format string, args ...any) {
			_ = c.Write(r.Context(), websocket.MessageText, fmt.Appendf(nil, format, args...))
		}
		say(`["NOTICE","%s"]`, quoted(evil))
		say(`["AUTH","challenge"]`)
		for {
			_, m, err := c.Read(r.Context())
			if err != nil {
				return
			}
			var message []json.RawMessage
			if json.Unmarshal(m, &message) != nil || len(message) < 2 {
				continue
			}
			switch verb := string(message[0]); verb {
			case `"EVENT"`, `"AUTH"`:
				var e struct{ ID string }
				_ = json.Unmarshal(message[1], &e)
				say(`["OK","%s",%v,"blocked: %s"]`, e.ID, verb == `"EVENT"`, quoted(evil))
			case `"NEG-OPEN"`:
				say(`["NEG-ERR",%s,"blocked: %s"]`, message[1], quoted(evil))
			default:
				say(`["CLOSED",%s,"blocked: %s"]`, message[1], quoted(evil))
			}
		}
	}))
	defer s.Close()
	url := "ws" + strings.TrimPrefix(s.URL, "http")
	for _, workload := range []string{"auth", "handover", "sync"} {
		stdout, stderr, _ := run(t, "", "bench", workload, url, "--cache", "-", "--events", "40", "--timeout", "300ms", "--duration", "200ms")
		if said := stdout + stderr; !strings.Contains(said, `\u001b`) || strings.ContainsAny(said, "\x1b\x07\r\u009b\u202e") {
			t.Errorf("%s: %q %q", workload, stdout, stderr)
		}
	}
}

// quoted is text inside of a JSON string, with nothing escaped but what must be.
func quoted(text string) string {
	var b strings.Builder
	for _, r := range text {
		if r < 0x20 {
			b.WriteString(`\u00` + string("0123456789abcdef"[r>>4]) + string("0123456789abcdef"[r&15]))
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}
