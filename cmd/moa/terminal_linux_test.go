package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/coder/websocket"
	"golang.org/x/sys/unix"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/relay/relaytest"
)

// pty is a terminal: what is written to end is shown.
type pty struct {
	end *os.File

	mu    sync.Mutex // guards the following
	shown strings.Builder
}

func newPty(t *testing.T) *pty {
	t.Helper()
	master, end, err := openPty()
	if err != nil {
		t.Skip("SKIPPED: there is no terminal to be had: ", err)
	}
	p := &pty{end: end}
	t.Cleanup(func() { master.Close() })
	t.Cleanup(func() { p.end.Close() })
	go func() {
		for b := make([]byte, 1<<10); ; {
			n, err := master.Read(b)
			if err != nil {
				return
			}
			p.mu.Lock()
			p.shown.Write(b[:n])
			p.mu.Unlock()
		}
	}()
	return p
}

// openPty opens the two ends of a new terminal.
func openPty() (master, end *os.File, err error) {
	if master, err = os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		return nil, nil, err
	}
	fd := int(master.Fd())
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err = errors.Join(err, unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0)); err == nil {
		end, err = os.OpenFile(fmt.Sprint("/dev/pts/", n), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		return nil, nil, errors.Join(err, master.Close())
	}
	return master, end, nil
}

// text is what was shown until now, without the CRs that a terminal adds.
func (p *pty) text() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return strings.ReplaceAll(p.shown.String(), "\r\n", "\n")
}

// spitefulRelay shows the event to everybody, takes none, and ends with words that
// a terminal would obey.
func spitefulRelay(t *testing.T, e *event.Event, words string) (url string) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		defer c.CloseNow()
		_, m, err := c.Read(r.Context())
		if err != nil {
			return
		}
		if strings.HasPrefix(string(m), `["EVENT"`) {
			c.Close(websocket.StatusPolicyViolation, words)
			return
		}
		for _, answer := range []string{`["EVENT","0",` + string(e.Raw) + `]`, `["EOSE","0",["finish"]]`} {
			if c.Write(r.Context(), websocket.MessageText, []byte(answer)) != nil {
				return
			}
		}
		_, _, _ = c.Read(r.Context())
	}))
	t.Cleanup(s.Close)
	return "ws" + strings.TrimPrefix(s.URL, "http")
}

// spitefulSite answers every HTTP request with those words.
func spitefulSite(t *testing.T, words string) (url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = c.Read(make([]byte, 1<<10))
			fmt.Fprintf(c, "HTTP/1.1 503 %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", words)
			c.Close()
		}
	}()
	return "http://" + l.Addr().String() + "/members.txt"
}

// What other people have written is shown on a terminal, and obeyed by none: neither
// the events of an export nor what a log repeats, in either form.
func TestATerminalIsGivenNoCommands(t *testing.T) {
	const evil = "\u009b31m\u202e\u009d0;title\u009c"
	url := spitefulRelay(t, relaytest.NewKey(1).Note(t, "see "+evil), "go "+evil)
	obeyed := func(what, text string) {
		t.Helper()
		if strings.ContainsAny(text, "\x1b\x07\u009b\u009c\u009d\u202e") {
			t.Errorf("%s: %q", what, text)
		}
	}
	tty := newPty(t)
	ctx, cancel := context.WithTimeout(t.Context(), relaytest.Patience)
	defer cancel()
	export := moa(ctx, "export", "--relay", url)
	export.Stdout = tty.end // not the errors, among which is a bar that moves
	if err := export.Run(); err != nil {
		t.Fatal(err)
	}
	testwait.Eventually(t, "the event is shown", func() bool { return strings.Contains(tty.text(), `see \u009b31m\u202e`) })
	obeyed("export", tty.text())

	list := writeConfig(t, fmt.Sprintf("[[policy]]\nuse = \"deny\"\nurls = [%q]\n", spitefulSite(t, "went "+evil)))
	for _, format := range []string{"text", "json"} {
		tty := newPty(t)
		serve := moa(t.Context(), "serve", "--listen", "127.0.0.1:0", "--data", filepath.Join(t.TempDir(), "data"), "--config", list,
			"--url", "wss://relay.mine.net", "--self.publish", "true", "--self.relays", url, "--log.format", format)
		serve.Stderr = tty.end
		if err := serve.Start(); err != nil {
			t.Fatal(err)
		}
		testwait.Eventually(t, "the log repeats what the others have said", func() bool {
			return strings.Contains(tty.text(), "go ") && strings.Contains(tty.text(), "went ")
		})
		stopped(t, serve)
		obeyed(format, tty.text())
	}
}

// stopped ends a command in order.
func stopped(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}
