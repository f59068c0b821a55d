package bench

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"moa/bench/client"
	"moa/bench/corpus"
)

// Target is a relay to load.
type Target struct {
	Name    string // as tables call it; "": the URL
	URL     string // ws:// or wss://
	PID     int    // of its process on this machine; 0: unknown
	DataDir string // its data folder on this machine; "": unknown
	// Restart ends the relay, with SIGKILL if crash is set, calls down while no
	// process runs, starts it again on the same data and returns the new
	// process; nil if that cannot be done.
	Restart func(ctx context.Context, crash bool, down func()) (pid int, err error)
}

// Options are what all workloads of a session have in common.
type Options struct {
	Target Target
	Corpus *corpus.Corpus
	// Prefilled says that the relay holds events of the corpus already, and
	// perhaps many others: nothing is published before workloads that ask.
	Prefilled bool
	// Compress offers permessage-deflate on every connection.
	Compress bool
	// IgnoreLimits goes on when a relay says rate-limited, and asks for more
	// than its NIP-11 document allows.
	IgnoreLimits bool
	// Timeout is how long an answer may take; 0: 10 s. One that takes longer
	// counts as missing.
	Timeout time.Duration
	// Watch is told once a second how far a workload is; nil: nobody.
	Watch func(Progress)
}

// Progress is how far a workload has come.
type Progress struct {
	Workload string
	Phase    string
	Done     float64 // share, 0 to 1; NaN: unknown
	Point    Point
	Faults   int64
	Refused  int64
}

// Session is a series of workloads against one relay.
type Session struct {
	Options
	Info  client.Info // what the relay says about itself; zero if nothing
	truth *truth
	pid   atomic.Int64 // Target.PID, or the process since the last restart
	// ruledOut is the limit of the relay's that all events known last are beyond.
	ruledOut string
	stocked  bool // the relay has what workloads ask for
	// carried are faults, notes and warnings from outside of a run; the next
	// workload to finish has them in its lists.
	carried Run
}

// Workload is one way to load a relay. Its fields are its configuration; zero
// fields have the defaults that its comments name.
type Workload interface {
	Name() string
	// Run loads the relay until the workload is done or ctx ends; what was
	// measured until then is returned all the same, marked as partial. An
	// error means that nothing could be measured.
	Run(ctx context.Context, s *Session) (*Run, error)
}

// Open prepares a session. The relay must be reachable.
func Open(ctx context.Context, o Options) (*Session, error) {
	if o.Timeout == 0 {
		o.Timeout = 10 * time.Second
	}
	if o.Target.Name == "" {
		o.Target.Name = o.Target.URL
	}
	if o.Corpus == nil {
		o.Corpus = &corpus.Corpus{}
	}
	s := &Session{Options: o}
	s.pid.Store(int64(o.Target.PID))
	conn, err := s.dial(ctx, 0)
	if err != nil {
		return nil, err
	}
	conn.Close()
	honour := true
	// A relay without NIP-11 can be loaded all the same.
	asking, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	if info, err := client.FetchInfo(asking, o.Target.URL); err == nil {
		s.Info = *info
		honour = len(info.NIPs) == 0 || info.Supports(9)
	}
	s.truth = newTruth(honour)
	s.expectRefusals()
	s.know(o.Corpus.Events)
	return s, nil
}

// Facts say which relay the session loads.
func (s *Session) Facts() TargetFacts {
	return TargetFacts{Name: s.Target.Name, URL: s.Target.URL, Software: s.Info.Software, Version: s.Info.Version}
}

// Do runs a workload repeat times and returns all that was measured. It stops
// early when ctx ends.
func (s *Session) Do(ctx context.Context, w Workload, repeat int) (Result, error) {
	result := Result{Workload: w.Name(), Target: s.Facts()}
	for range max(1, repeat) {
		run, err := w.Run(ctx, s)
		if err != nil {
			return result, fmt.Errorf("%s: %w", w.Name(), err)
		}
		run.Partial = run.Partial || ctx.Err() != nil
		result.Settings = run.settings
		result.Runs = append(result.Runs, *run)
		if ctx.Err() != nil {
			break
		}
	}
	return result, nil
}

// subsAllowed returns how many of the wanted subscriptions a connection may
// have by the relay's NIP-11 document.
func (s *Session) subsAllowed(want int) int {
	if most := s.Info.Limits.Subscriptions; most > 0 && !s.IgnoreLimits {
		return min(want, most)
	}
	return want
}

// spareFiles are those that a load test needs beside its connections.
const spareFiles = 100

// connsAllowed returns how many of the wanted connections this machine can hold.
func (s *Session) connsAllowed(m *measure, want int) int {
	most := max(1, openFiles()-spareFiles)
	if want <= most {
		return want
	}
	m.warn(fmt.Sprintf("this machine lets a process open %d files: %d connections instead of %d (more as root, or with a higher ulimit -Hn)", openFiles(), most, want))
	return most
}

// dial opens connection number n of a workload.
func (s *Session) dial(ctx context.Context, n int) (*client.Conn, error) {
	return s.dialWith(ctx, n, client.Options{ReadBuffer: 64 << 10})
}

func (s *Session) dialWith(ctx context.Context, n int, o client.Options) (*client.Conn, error) {
	o.Source = client.Source(s.Target.URL, n)
	o.Compress = s.Compress
	o.Timeout = s.Timeout
	return client.Dial(ctx, s.Target.URL, o)
}

var errNoRestart = errors.New("a cold run needs a relay that moa bench has started itself")

// restart ends the relay, calls down, and starts it again on the same data.
func (s *Session) restart(ctx context.Context, crash bool, down func()) error {
	if s.Target.Restart == nil {
		return errNoRestart
	}
	pid, err := s.Target.Restart(ctx, crash, down)
	if err != nil {
		return fmt.Errorf("restart the relay: %w", err)
	}
	s.pid.Store(int64(pid))
	return nil
}
