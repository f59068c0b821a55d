// Package launch starts a relay as a child process for a load test, waits
// until it answers, and stops it.
package launch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Command is how a relay is started. In its arguments {port} stands for a free
// port on loopback and {data} for its data folder.
type Command struct {
	Args []string
	// Data is the data folder, kept afterwards; "": a temporary one, removed
	// by Close.
	Data string
	// Log takes what the relay prints; nil: nothing is kept but the end, for
	// the error when it does not start.
	Log io.Writer
	// Patience is how long it may take to answer; 0: 60 s.
	Patience time.Duration
}

// Relay is a relay that runs.
type Relay struct {
	URL  string
	Data string

	command Command
	port    int
	remove  bool
	cmd     *exec.Cmd
	done    chan struct{} // closed when the process has ended
	last    *tail
}

// Parse splits a command line at spaces; quotes hold together what has spaces.
func Parse(line string) ([]string, error) {
	var args []string
	var word strings.Builder
	var quote rune
	inside := false
	for _, c := range line {
		switch {
		case quote != 0 && c == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(c)
		case c == '\'' || c == '"':
			quote, inside = c, true
		case c == ' ' || c == '\t' || c == '\n':
			if inside {
				args = append(args, word.String())
				word.Reset()
				inside = false
			}
		default:
			word.WriteRune(c)
			inside = true
		}
	}
	if quote != 0 {
		return nil, fmt.Errorf("the quote %c is not closed in: %s", quote, line)
	}
	if inside {
		args = append(args, word.String())
	}
	if len(args) == 0 {
		return nil, errors.New("the command is empty")
	}
	return args, nil
}

// Start starts the relay and returns when it accepts connections.
func Start(ctx context.Context, c Command) (*Relay, error) {
	r := &Relay{command: c, Data: c.Data}
	if r.Data == "" {
		dir, err := os.MkdirTemp("", "moa-bench-*")
		if err != nil {
			return nil, err
		}
		r.Data, r.remove = dir, true
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	r.port, r.URL = port, "ws://127.0.0.1:"+strconv.Itoa(port)
	if err := r.start(ctx); err != nil {
		r.Close()
		return nil, err
	}
	return r, nil
}

// freePort finds a port below those that the system gives to outgoing connections:
// none of them takes it before the relay listens, or while it is restarted.
func freePort() (port int, err error) {
	for range 100 {
		var l net.Listener
		port = 20_000 + rand.IntN(12_000)
		if l, err = net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, err
}

func (r *Relay) start(ctx context.Context) error {
	fill := strings.NewReplacer("{port}", strconv.Itoa(r.port), "{data}", r.Data)
	args := make([]string, len(r.command.Args))
	for i, a := range r.command.Args {
		args[i] = fill.Replace(a)
	}
	r.last = &tail{}
	r.cmd = exec.Command(args[0], args[1:]...)
	r.cmd.Stdout, r.cmd.Stderr = r.last, r.last
	if r.command.Log != nil {
		out := io.MultiWriter(r.last, r.command.Log)
		r.cmd.Stdout, r.cmd.Stderr = out, out
	}
	// Ctrl-C in the terminal is for the load test, which then ends the relay.
	ownGroup(r.cmd)
	if err := r.cmd.Start(); err != nil {
		r.cmd = nil
		return fmt.Errorf("start %s: %w", args[0], err)
	}
	r.done = make(chan struct{})
	go func(cmd *exec.Cmd, done chan struct{}) {
		defer close(done)
		_ = cmd.Wait() // how it ended shows in what it printed
	}(r.cmd, r.done)
	return r.await(ctx, args[0])
}

// await returns when the relay accepts connections.
func (r *Relay) await(ctx context.Context, name string) error {
	patience := r.command.Patience
	if patience == 0 {
		patience = time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var d net.Dialer
	for {
		conn, err := d.DialContext(ctx, "tcp", "127.0.0.1:"+strconv.Itoa(r.port))
		if err == nil {
			return conn.Close()
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not accept connections on port %d: %w\n%s", name, r.port, ctx.Err(), r.last)
		case <-r.done:
			return fmt.Errorf("%s ended before it accepted connections\n%s", name, r.last)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// PID returns the process, 0 if there is none.
func (r *Relay) PID() int {
	if r.cmd == nil {
		return 0
	}
	return r.cmd.Process.Pid
}

// Restart ends the relay, without a chance to tidy up if crash is set, calls
// down, and starts it again on the same data and port.
func (r *Relay) Restart(ctx context.Context, crash bool, down func()) (pid int, err error) {
	if crash {
		signalGroup(r.cmd, syscall.SIGKILL)
		<-r.done
	} else {
		r.stop()
	}
	down()
	if err := r.start(ctx); err != nil {
		return 0, err
	}
	return r.PID(), nil
}

// grace is how long a relay may take to end by itself.
const grace = 15 * time.Second

// Close ends the relay and removes its data folder if that was a temporary one.
func (r *Relay) Close() error {
	if r.cmd != nil {
		r.stop()
		r.cmd = nil
	}
	if r.remove {
		return os.RemoveAll(r.Data)
	}
	return nil
}

// stop ends the process, in order if it does not take too long.
func (r *Relay) stop() {
	signalGroup(r.cmd, syscall.SIGTERM)
	select {
	case <-r.done:
	case <-time.After(grace):
		signalGroup(r.cmd, syscall.SIGKILL)
		<-r.done
	}
}

// tail keeps the end of what is written to it.
type tail struct {
	mu   sync.Mutex
	text []byte
}

// tailMost is how much of a relay's output is kept, in bytes.
const tailMost = 4096

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.text = append(t.text, p...)
	if extra := len(t.text) - tailMost; extra > 0 {
		t.text = append(t.text[:0], t.text[extra:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return string(t.text)
}
