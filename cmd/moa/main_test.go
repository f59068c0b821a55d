package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"moa/nips/testwait"
	"moa/relay/relaytest"
)

// asMoa in the environment makes the test binary the moa that is tested.
const asMoa = "MOA_TEST_AS_MOA"

func TestMain(m *testing.M) {
	if os.Getenv(asMoa) != "" {
		main()
		return
	}
	os.Exit(m.Run())
}

// moa is the command `moa args...`.
func moa(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, os.Args[0], args...)
	cmd.Env = append(os.Environ(), asMoa+"=1")
	return cmd
}

// run runs `moa args...` to its end.
func run(t *testing.T, stdin string, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), relaytest.Patience)
	defer cancel()
	cmd := moa(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// good runs `moa args...`, which must succeed.
func good(t *testing.T, args ...string) (stdout, stderr string) {
	t.Helper()
	stdout, stderr, code := run(t, "", args...)
	if code != 0 {
		t.Fatalf("moa %s: exit code %d\n%s", strings.Join(args, " "), code, stderr)
	}
	return stdout, stderr
}

// server is a `moa serve` that runs.
type server struct {
	URL string
	cmd *exec.Cmd

	mu    sync.Mutex // guards the following
	log   []map[string]any
	ended chan struct{}
}

// serveIn starts `moa serve` on a free port over the data folder. It is killed
// when the test ends, if it still runs.
func serveIn(t *testing.T, data string, args ...string) *server {
	t.Helper()
	return serveFrom(t, append([]string{"--data", data}, args...)...)
}

// serveFrom is serveIn of the data folder that a configuration names.
func serveFrom(t *testing.T, args ...string) *server {
	t.Helper()
	s := &server{
		cmd:   moa(context.Background(), append([]string{"serve", "--listen", "127.0.0.1:0"}, args...)...),
		ended: make(chan struct{}),
	}
	stderr, err := s.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	go s.read(stderr)
	ready := s.waitFor(t, "relay ready")
	s.URL = ready["url"].(string)
	// The socket is open by now; a connection waits in its queue until the
	// relay takes it.
	return s
}

// read keeps the log.
func (s *server) read(r io.Reader) {
	defer close(s.ended)
	for lines := bufio.NewScanner(r); lines.Scan(); {
		entry := map[string]any{"line": lines.Text()}
		_ = json.Unmarshal(lines.Bytes(), &entry) // what is not JSON is kept as its line
		s.mu.Lock()
		s.log = append(s.log, entry)
		s.mu.Unlock()
	}
	_ = s.cmd.Wait() // a test that wants its exit code looks at it
}

// logged returns the last log entry with that message, or nil.
func (s *server) logged(msg string) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := len(s.log) - 1; i >= 0; i-- {
		if s.log[i]["msg"] == msg {
			return s.log[i]
		}
	}
	return nil
}

// lines is the whole log.
func (s *server) lines() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var b strings.Builder
	for _, e := range s.log {
		b.WriteString(e["line"].(string) + "\n")
	}
	return b.String()
}

// waitFor waits for a log entry.
func (s *server) waitFor(t *testing.T, msg string) map[string]any {
	t.Helper()
	var e map[string]any
	defer func() {
		if e == nil {
			t.Logf("its log:\n%s", s.lines())
		}
	}()
	testwait.Eventually(t, "the server logs "+msg, func() bool {
		ended := false
		select {
		case <-s.ended:
			ended = true
		default:
		}
		if e = s.logged(msg); e == nil && ended {
			t.Fatalf("it ended without logging %q", msg)
		}
		return e != nil
	})
	return e
}

// Signal sends a signal.
func (s *server) Signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// Wait waits for the end and returns the exit code.
func (s *server) Wait(t *testing.T) int {
	t.Helper()
	select {
	case <-s.ended:
		return s.cmd.ProcessState.ExitCode()
	case <-time.After(2 * relaytest.Patience):
		t.Fatalf("does not end:\n%s", s.lines())
		return -1
	}
}

// Kill ends it with SIGKILL and waits.
func (s *server) Kill() {
	_ = s.cmd.Process.Kill() // it may have ended
	<-s.ended
}
