// Package plugin asks programs in any language what to do with an event, by
// the protocol of strfry's write-policy plugins: a line of JSON in, a line of
// JSON out. Its programs run unchanged.
//
// A program that hangs, dies, lies or floods costs its own answers and nothing
// else: each question has a deadline, everything that waits is bounded, and
// the process is ended with all its children and started again.
package plugin

import (
	"context"
	"errors"
	"log/slog"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tetratelabs/wazero"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// Config says what to run and how long to wait for it.
type Config struct {
	// Command is a program's path, or a line for the shell if it has a space.
	// A program that is given by its path is started again when it changes.
	//
	// A path that ends in .wasm is a WebAssembly module that reads and writes
	// the same lines (WASI preview 1). It runs inside the relay and sees
	// nothing but its input: no file, no network, no environment.
	Command string
	Memory  int    // MiB that a module may use; of no meaning to programs
	Dir     string // where it runs; "": the relay's own working directory

	Processes int           // how many of it run at a time
	InFlight  int           // questions that one process may have unanswered
	Queue     int           // questions that wait for a process; more fail at once
	Timeout   time.Duration // for one answer, the wait for a process included
	FailOpen  bool          // without an answer: accept instead of refusing

	// Extended sends what strfry does not: the keys that the client has proved, and the
	// filters that clients ask (questions of the type "filter").
	Extended bool
}

// Policy asks the processes that Run keeps.
type Policy struct {
	cfg     Config
	log     *slog.Logger
	now     func() time.Time
	queue   chan *request
	modules wazero.CompilationCache
	resting atomic.Int32  // processes that wait to be started again
	started chan struct{} // closed when a process has been started
	begun   sync.Once     // closes it
	stopped chan struct{} // closed when Run returns
	filters atomic.Uint64 // numbers the questions about filters

	restarts   atomic.Uint64
	unanswered atomic.Uint64

	mu sync.Mutex // guards the processes' and requests' fields that say so
}

// New returns a policy. Every number of cfg must be positive.
func New(env policy.Env, cfg Config) *Policy {
	return &Policy{
		cfg: cfg, log: env.Log, now: env.Now,
		queue:   make(chan *request, cfg.Queue),
		modules: wazero.NewCompilationCache(),
		started: make(chan struct{}),
		stopped: make(chan struct{}),
	}
}

// request is one question and the way back to its caller.
type request struct {
	id   string
	line []byte
	// answer has room for the one answer there is, so that nobody waits to give
	// it. It is closed if there will be none.
	answer chan policy.Verdict

	owner     *process  // guarded by Policy.mu; nil: none has taken it
	sent      time.Time // guarded by Policy.mu; when owner took it
	abandoned bool      // guarded by Policy.mu
}

// AfterSignature: an answer is expensive.
func (p *Policy) AfterSignature() {}

// Event asks about an event.
func (p *Policy) Event(ctx context.Context, c policy.Client, e *event.Event) policy.Verdict {
	return p.ask(ctx, &request{
		id:   e.ID.String(),
		line: p.appendEvent(make([]byte, 0, len(e.Raw)+160), c, e),
	})
}

// WantsSubID: questions about filters name the subscription.
func (p *Policy) WantsSubID() bool { return p.cfg.Extended }

// Filter asks about a filter, if the protocol is the extended one.
func (p *Policy) Filter(ctx context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	if !p.cfg.Extended {
		return policy.Verdict{}
	}
	id := "filter-" + strconv.FormatUint(p.filters.Add(1), 10)
	return p.ask(ctx, &request{id: id, line: p.appendFilter(nil, id, policy.SubID(ctx), c, f)})
}

func (p *Policy) ask(ctx context.Context, r *request) policy.Verdict {
	if int(p.resting.Load()) == p.cfg.Processes {
		return p.failure()
	}
	r.answer = make(chan policy.Verdict, 1)
	select {
	case p.queue <- r:
	default:
		return p.failure()
	}
	timeout := time.NewTimer(p.cfg.Timeout)
	defer timeout.Stop()
	select {
	case v, ok := <-r.answer:
		if ok {
			return v
		}
	case <-timeout.C:
		p.abandon(r)
	case <-ctx.Done():
		p.abandon(r)
	case <-p.stopped:
		p.abandon(r)
	}
	return p.failure()
}

// failure is the verdict when there is no answer, called once for each question.
func (p *Policy) failure() policy.Verdict {
	p.unanswered.Add(1)
	if p.cfg.FailOpen {
		return policy.Verdict{}
	}
	return policy.Refuse(reason.Error, "a check that this relay makes does not answer; try again later")
}

var (
	errHangs = errors.New("it does not answer")
	// errSilent is what a program does that buffers its output, which most
	// languages do of themselves when nobody looks at a terminal.
	errSilent = errors.New("it does not answer, and never has: it must write one line for each question, and flush its output after it")
)

// abandon gives up a question. A process that has answered nothing at all
// since it got this one, for the whole timeout, hangs.
func (p *Policy) abandon(r *request) {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.abandoned = true
	s := r.owner
	if s == nil || !s.removeLocked(r) {
		return
	}
	if !s.answered.After(r.sent) && time.Since(r.sent) >= p.cfg.Timeout/2 {
		if s.answered.IsZero() {
			s.end(errSilent)
		} else {
			s.end(errHangs)
		}
	}
}

const (
	firstRest = 500 * time.Millisecond // before a process is started again
	longRest  = 30 * time.Second       // the rests double up to this
	steady    = time.Minute            // a process that has lived so long rests like a first one
)

var errChanged = errors.New("the program has changed")

// Troubles counts the processes that ended and were started again, and the
// questions that were not answered, or not in time.
func (p *Policy) Troubles() (restarts, unanswered uint64) {
	return p.restarts.Load(), p.unanswered.Load()
}

// Loaded is closed once a process has been started.
func (p *Policy) Loaded() <-chan struct{} { return p.started }

// Run keeps the processes until ctx ends.
func (p *Policy) Run(ctx context.Context) error {
	defer close(p.stopped)
	defer p.modules.Close(context.Background())
	var wg sync.WaitGroup
	for range p.cfg.Processes {
		wg.Go(func() { p.keep(ctx) })
	}
	wg.Wait()
	return nil
}

// keep runs one process after another. Its thread is its own for as long, for
// the processes end with the thread that has started them (endsWithUs), and
// another goroutine may end the thread that it is on.
func (p *Policy) keep(ctx context.Context) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for rest := firstRest; ; {
		started := time.Now()
		err := runProcess(ctx, p)
		if ctx.Err() != nil {
			return
		}
		p.restarts.Add(1)
		if errors.Is(err, errChanged) {
			p.log.Info("plugin is started again: the program has changed", "command", p.cfg.Command)
			continue
		}
		if time.Since(started) > steady {
			rest = firstRest
		}
		p.log.Error("plugin ended, it is started again", "command", p.cfg.Command, "err", err, "in", rest, policy.Stack(err))
		if int(p.resting.Add(1)) == p.cfg.Processes {
			p.failQueue()
		}
		select {
		case <-time.After(rest):
		case <-ctx.Done():
		}
		p.resting.Add(-1)
		rest = min(2*rest, longRest)
	}
}

// failQueue answers what waits for a process when there is none.
func (p *Policy) failQueue() {
	for {
		select {
		case r := <-p.queue:
			close(r.answer)
		default:
			return
		}
	}
}
