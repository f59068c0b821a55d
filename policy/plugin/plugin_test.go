//go:build unix

package plugin

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
	"moa/policy/policytest"
)

func TestMain(m *testing.M) { testwait.VerifyTestMain(m) }

var (
	ctx    = context.Background()
	client = &policytest.Client{Addr: "192.0.2.7", Keys: []event.PubKey{policytest.Key(5)}}
)

// logBuffer is a log that a test may read while it is written.
type logBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}

// script writes a program and returns its path, or skips the test if nothing
// here can run it.
func script(t *testing.T, interpreter, text string) string {
	t.Helper()
	path, err := exec.LookPath(interpreter)
	if err != nil {
		t.Skipf("SKIPPED: there is no %s here", interpreter)
	}
	name := filepath.Join(t.TempDir(), "plugin")
	// Close before exec: another test's fork may hold a file open for writing.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(name, []byte("#!"+path+"\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return name
}

// start runs a plugin until the test ends.
func start(t *testing.T, cfg Config) (*Policy, *logBuffer) {
	t.Helper()
	logs := new(logBuffer)
	env := policy.Env{Log: slog.New(slog.NewTextHandler(logs, nil))}.Filled()
	cfg.Processes, cfg.InFlight, cfg.Queue = max(1, cfg.Processes), max(16, cfg.InFlight), max(256, cfg.Queue)
	if cfg.Timeout == 0 {
		cfg.Timeout = 2 * time.Minute // only a hang takes so long
	}
	p := New(env, cfg)
	runCtx, cancel := context.WithCancel(ctx)
	done := make(chan error)
	go func() { done <- p.Run(runCtx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return p, logs
}

// askedUntil asks until ok: on a busy machine a program may have had no time for the
// question before.
func askedUntil(t *testing.T, p *Policy, what string, ok func() bool) {
	t.Helper()
	testwait.Eventually(t, what, func() bool {
		if ok() {
			return true
		}
		p.Event(ctx, client, note("x"))
		return false
	})
}

func note(content string) *event.Event {
	return policytest.Event(event.Event{Kind: 1, Content: content})
}

func text(v policy.Verdict) string {
	return [...]string{"accept", "reject ", "shadow", "relay"}[v.Action] + strings.TrimSuffix(string(v.Reason)+": "+v.Text, ": ")
}

// Three plugins as people write them for strfry. Each refuses "bad", shadows
// "dark", and accepts the rest.
const shellPlugin = `
while IFS= read -r line; do
	id=$(printf '%s' "$line" | sed 's/.*"event":{"id":"\([0-9a-f]*\)".*/\1/')
	case "$line" in
	*'"content":"bad"'*) printf '{"id":"%s","action":"reject","msg":"blocked: bad word"}\n' "$id" ;;
	*'"content":"dark"'*) printf '{"id":"%s","action":"shadowReject"}\n' "$id" ;;
	*) printf '{"id":"%s","action":"accept","msg":""}\n' "$id" ;;
	esac
done`

const pythonPlugin = `
import json, sys
for line in sys.stdin:
    req = json.loads(line)
    if req["type"] != "new":
        print("unexpected request type", file=sys.stderr, flush=True)
        continue
    assert req["sourceType"] == "IP4" and req["sourceInfo"] == "192.0.2.7", req
    assert isinstance(req["receivedAt"], int) and set(req) == {"type", "event", "receivedAt", "sourceType", "sourceInfo"}, req
    res = {"id": req["event"]["id"], "action": "accept"}
    if req["event"]["content"] == "bad":
        res["action"], res["msg"] = "reject", "blocked: bad word"
    if req["event"]["content"] == "dark":
        res["action"] = "shadowReject"
    print(json.dumps(res), flush=True)`

const nodePlugin = `
const rl = require('readline').createInterface({ input: process.stdin, output: process.stdout, terminal: false });
rl.on('line', (line) => {
  let req = JSON.parse(line);
  if (req.type !== 'new') { console.error("unexpected request type"); return; }
  let res = { id: req.event.id };
  if (req.event.content === 'bad') { res.action = 'reject'; res.msg = 'blocked: bad word'; }
  else if (req.event.content === 'dark') res.action = 'shadowReject';
  else res.action = 'accept';
  console.log(JSON.stringify(res));
});`

func TestStrfryPluginsRunUnchanged(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ interpreter, text string }{{"sh", shellPlugin}, {"python3", pythonPlugin}, {"node", nodePlugin}} {
		t.Run(c.interpreter, func(t *testing.T) {
			p, logs := start(t, Config{Command: script(t, c.interpreter, c.text), Processes: 2})
			var wg sync.WaitGroup
			for i := range 60 {
				wg.Go(func() {
					content, want := "good "+strconv.Itoa(i), "accept"
					switch i % 3 {
					case 0:
						content, want = "bad", "reject blocked: bad word" // the same id many times at once
					case 1:
						content, want = "dark", "shadow"
					}
					if got := text(p.Event(ctx, client, note(content))); got != want {
						t.Errorf("%s: %s, want %s\n%s", content, got, want, logs)
					}
				})
			}
			wg.Wait()
		})
	}
}

func TestShellCommandsAndStderrGoToTheLog(t *testing.T) {
	t.Parallel()
	name := script(t, "sh", `echo "hello $WORD" >&2`+shellPlugin)
	p, logs := start(t, Config{Command: "WORD=world exec " + name})
	if got := text(p.Event(ctx, client, note("bad"))); got != "reject blocked: bad word" {
		t.Error(got)
	}
	testwait.Eventually(t, "stderr in the log", func() bool { return strings.Contains(logs.String(), "hello world") })
}

func TestPluginsAreNotToldTheRelaysSettings(t *testing.T) {
	t.Setenv("MOA_SELF_KEY", "a secret")
	t.Setenv("OF_THE_PLUGIN", "its own")
	for _, command := range []string{script(t, "sh", "env >&2\n"+shellPlugin), "env >&2; exec " + script(t, "sh", shellPlugin)} {
		p, logs := start(t, Config{Command: command})
		if got := text(p.Event(ctx, client, note("good"))); got != "accept" {
			t.Error(got)
		}
		testwait.Eventually(t, "the environment in the log", func() bool { return strings.Contains(logs.String(), "OF_THE_PLUGIN=its own") })
		if strings.Contains(logs.String(), "MOA_") {
			t.Errorf("%s is told of it", command)
		}
	}
}

const noAnswer = "reject error: a check that this relay makes does not answer; try again later"

func TestPluginThatHangsIsStartedAgain(t *testing.T) {
	t.Parallel()
	// The first process hangs, the later ones answer.
	flag := filepath.Join(t.TempDir(), "hung")
	p, logs := start(t, Config{
		Command: script(t, "sh", fmt.Sprintf("if [ ! -e %s ]; then : >%[1]s; exec sleep 1000; fi\n", flag)+shellPlugin),
		Timeout: 2 * time.Second,
	})
	if got := text(p.Event(ctx, client, note("good"))); got != noAnswer {
		t.Error(got)
	}
	testwait.Eventually(t, "an answer", func() bool { return text(p.Event(ctx, client, note("good"))) == "accept" })
	if !strings.Contains(logs.String(), "it does not answer") {
		t.Errorf("the log does not say why:\n%s", logs)
	}
	if restarts, unanswered := p.Troubles(); restarts < 1 || unanswered < 1 {
		t.Errorf("%d restarts, %d unanswered", restarts, unanswered)
	}
}

// TestPluginThatDoesNotFlushIsTold has a program whose answers wait in its own
// buffer.
func TestPluginThatDoesNotFlushIsTold(t *testing.T) {
	t.Parallel()
	p, logs := start(t, Config{
		Command: script(t, "sh", `exec perl -ne 'print qq({"id":"$1","action":"accept"}\n) if /"id":"([0-9a-f]+)"/'`),
		Timeout: 600 * time.Millisecond,
	})
	if got := text(p.Event(ctx, client, note("good"))); got != noAnswer {
		t.Error(got)
	}
	askedUntil(t, p, "the log", func() bool { return strings.Contains(logs.String(), "flush its output") })
}

func TestPluginThatDiesFailsAsConfiguredAndIsStartedAgain(t *testing.T) {
	t.Parallel()
	for _, open := range []bool{false, true} {
		p, logs := start(t, Config{Command: script(t, "sh", `read -r line; echo "giving up" >&2; exit 3`), FailOpen: open})
		want := noAnswer
		if open {
			want = "accept"
		}
		for i := range 3 {
			if got := text(p.Event(ctx, client, note("x"))); got != want {
				t.Errorf("fail open %v, event %d: %s", open, i, got)
			}
		}
		testwait.Eventually(t, "the log", func() bool {
			return strings.Contains(logs.String(), "exit status 3") && strings.Contains(logs.String(), "giving up")
		})
	}
	p, logs := start(t, Config{Command: "/nowhere/plugin"})
	testwait.Eventually(t, "an error in the log", func() bool { return strings.Contains(logs.String(), "no such file") })
	if got := text(p.Event(ctx, client, note("x"))); got != noAnswer {
		t.Error(got)
	}
}

func TestPluginThatLiesIsNotBelieved(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 64)
	p, logs := start(t, Config{
		Command: script(t, "sh", `
while IFS= read -r line; do
	echo "starting up..."
	echo '{"id":"`+zeros+`","action":"accept"}'
	echo '{"id":7}'
	echo '[]'
	id=$(printf '%s' "$line" | sed 's/.*"event":{"id":"\([0-9a-f]*\)".*/\1/')
	printf '{"id":"%s","action":"maybe"}\n' "$id"
done`),
	})
	if got := text(p.Event(ctx, client, note("x"))); got != noAnswer {
		t.Error(got)
	}
	if !strings.Contains(logs.String(), "unknown action") {
		t.Error(logs.String())
	}
}

func TestPluginThatFloodsIsEnded(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"lines":     `read -r line; yes '{"id":"x","action":"accept"}'`,
		"long line": `read -r line; head -c 10000000 /dev/zero | tr '\0' x; sleep 1000`,
	} {
		p, logs := start(t, Config{Command: script(t, "sh", text)})
		if got := p.Event(ctx, client, note("x")); got.Reason != "error" {
			t.Errorf("%s: %+v", name, got)
		}
		testwait.Eventually(t, "the end of "+name, func() bool { return strings.Contains(logs.String(), "plugin ended") })
	}
	p, logs := start(t, Config{Command: script(t, "sh", `yes "noise on stderr" >&2 &`+shellPlugin)})
	for range 20 {
		if got := text(p.Event(ctx, client, note("x"))); got != "accept" {
			t.Error(got)
		}
	}
	testwait.Eventually(t, "the log", func() bool { return strings.Contains(logs.String(), "noise") })
	if n := strings.Count(logs.String(), "noise"); n > 2000 {
		t.Errorf("%d lines of noise in the log", n)
	}
}

func TestChildrenEndWithTheRun(t *testing.T) {
	t.Parallel()
	pid := filepath.Join(t.TempDir(), "pid")
	name := script(t, "sh", "sleep 1000 & echo $! >"+pid+"\ntrap '' TERM HUP\n"+shellPlugin)
	var child int
	t.Run("run", func(t *testing.T) {
		p, _ := start(t, Config{Command: name})
		if got := text(p.Event(ctx, client, note("x"))); got != "accept" {
			t.Error(got)
		}
		text, err := os.ReadFile(pid)
		if err != nil {
			t.Fatal(err)
		}
		if child, err = strconv.Atoi(strings.TrimSpace(string(text))); err != nil {
			t.Fatal(err)
		}
	})
	testwait.Eventually(t, "the end of the child", func() bool {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", child))
		return syscall.Kill(child, 0) != nil || err == nil && strings.Contains(string(stat), ") Z ")
	})
}

func TestChangedProgramIsStartedAgain(t *testing.T) {
	t.Parallel()
	name := script(t, "sh", shellPlugin)
	p, logs := start(t, Config{Command: name})
	if got := text(p.Event(ctx, client, note("bad"))); got != "reject blocked: bad word" {
		t.Error(got)
	}
	body, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	next := name + ".new"
	if err := os.WriteFile(next, bytes.ReplaceAll(body, []byte("bad word"), []byte("new word")), 0o700); err != nil {
		t.Fatal(err)
	}
	// As if both were written within one tick of the filesystem's clock.
	old, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(next, old.ModTime(), old.ModTime()); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, name); err != nil {
		t.Fatal(err)
	}
	testwait.Eventually(t, "the new answer", func() bool { return text(p.Event(ctx, client, note("bad"))) == "reject blocked: new word" })
	if strings.Contains(logs.String(), "plugin ended") {
		t.Error(logs.String())
	}
}

// A program ends with the thread that has started it, so that thread must not
// be one that anybody may end.
func TestPluginOutlivesThreadsThatEnd(t *testing.T) {
	p, _ := start(t, Config{Command: script(t, "sh", shellPlugin)})
	testwait.Eventually(t, "it answers", func() bool { return p.Event(ctx, client, note("good")).Action == policy.Accept })
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() { runtime.LockOSThread() }) // and ends locked, with its thread
	}
	wg.Wait()
	for range 20 {
		if got := text(p.Event(ctx, client, note("bad"))); got != "reject blocked: bad word" {
			t.Fatal(got)
		}
	}
	if restarts, _ := p.Troubles(); restarts != 0 {
		t.Errorf("it was started again %d times", restarts)
	}
}

func TestNobodyWaitsForAProcessThatCannotStart(t *testing.T) {
	t.Parallel()
	p, logs := start(t, Config{Command: "/nowhere/plugin", Timeout: time.Hour}) // a caller that waits would hang
	testwait.Eventually(t, "a second attempt", func() bool {
		if got := text(p.Event(ctx, client, note("x"))); got != noAnswer {
			t.Fatalf("%s\n%s", got, logs)
		}
		return strings.Count(logs.String(), "no such file") > 1
	})
}

func TestFullQueueFailsAtOnce(t *testing.T) {
	p := New(policy.Env{}.Filled(), Config{Processes: 1, InFlight: 1, Queue: 1, Timeout: time.Minute})
	p.queue <- &request{}
	if got := text(p.Event(ctx, client, note("x"))); got != noAnswer {
		t.Error(got)
	}
	canceled, cancel := context.WithCancel(ctx)
	cancel()
	<-p.queue
	if got := text(p.Event(canceled, client, note("x"))); got != noAnswer {
		t.Error(got)
	}
}

func TestExtendedProtocolAsksAboutFilters(t *testing.T) {
	t.Parallel()
	p, logs := start(t, Config{Extended: true, Command: script(t, "python3", `
import json, sys
for line in sys.stdin:
    req = json.loads(line)
    assert req["authed"] == ["05" + "0" * 62], req
    if req["type"] == "filter":
        assert req["subscription"] == 'my "feed"', req
        bad = 4 in req["filter"].get("kinds", [])
        print(json.dumps({"id": req["id"], "action": "reject" if bad else "accept", "msg": "restricted: no messages"}), flush=True)
    else:
        print(json.dumps({"id": req["event"]["id"], "action": "accept"}), flush=True)`)})
	ctx := policy.WithSubID(ctx, `my "feed"`)
	for kind, want := range map[uint16]string{1: "accept", 4: "reject restricted: no messages"} {
		if got := text(p.Filter(ctx, client, &event.Filter{Kinds: []uint16{kind}})); got != want {
			t.Errorf("kind %d: %s\n%s", kind, got, logs)
		}
	}
	if got := text(p.Event(ctx, client, note("x"))); got != "accept" {
		t.Errorf("%s\n%s", got, logs)
	}
}

func TestSourceIsNamedAsStrfryDoes(t *testing.T) {
	p := New(policy.Env{Now: func() time.Time { return time.Unix(17, 0) }}.Filled(), Config{})
	for addr, want := range map[string]string{
		"1.2.3.4": `"IP4","sourceInfo":"1.2.3.4"}`, "::ffff:1.2.3.4": `"IP4","sourceInfo":"1.2.3.4"}`,
		"2001:db8::1": `"IP6","sourceInfo":"2001:db8::1"}`, "": `"Import","sourceInfo":""}`,
	} {
		e := note("x")
		want = `{"type":"new","event":` + string(e.Raw) + `,"receivedAt":17,"sourceType":` + want + "\n"
		if got := string(p.appendEvent(nil, &policytest.Client{Addr: addr}, e)); got != want {
			t.Errorf("%s", got)
		}
	}
}
