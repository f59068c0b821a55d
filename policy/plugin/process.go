package plugin

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"
	"time"

	"moa/policy"
	"moa/policy/internal/files"
)

const (
	maxLine     = 64 << 10        // bytes of an answer
	maxNonsense = 200             // lines in a row that answer no question
	grace       = 2 * time.Second // for a process to end by itself, once its input has
	watchEvery  = 2 * time.Second // how often the program's file is looked at
)

var (
	errEnded = errors.New("it ended")
	errLies  = fmt.Errorf("%d lines in a row that answer no question", maxNonsense)
)

// process is a plugin's process from start to end.
type process struct {
	p     *Policy
	slots chan struct{} // one for each unanswered question
	fault chan error    // the first reason to end it

	pending  map[string][]*request // guarded by Policy.mu; by id, in the order sent
	answered time.Time             // guarded by Policy.mu; the last answer
}

// runProcess starts a process and returns once it has ended, all its children
// with it, and everything that waited for it has its answer.
func runProcess(ctx context.Context, p *Policy) error {
	s := &process{
		p:       p,
		slots:   make(chan struct{}, p.cfg.InFlight),
		fault:   make(chan error, 1),
		pending: map[string][]*request{},
	}
	started := p.program()
	c, err := p.start()
	if err != nil {
		return err
	}
	p.begun.Do(func() { close(p.started) })
	var talking, wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	wg.Go(func() { s.write(ctx, c.stdin) })
	wg.Go(func() { s.watch(ctx, started) })
	talking.Go(func() { s.end(policy.Safely(func() error { return s.read(c.stdout) })) })
	talking.Go(func() { s.log(c.stderr) })

	var why error
	select {
	case <-ctx.Done():
	case why = <-s.fault:
	}
	cancel()
	_ = c.stdin.Close() // tells a process that behaves to end, and frees write
	if why == nil || errors.Is(why, errEnded) || errors.Is(why, errChanged) {
		waitFor(&talking, grace)
	}
	err = c.end()
	talking.Wait()
	wg.Wait()
	s.failAll()
	if err != nil && errors.Is(why, errEnded) {
		return fmt.Errorf("%w: %w", why, err)
	}
	return why
}

// waitFor waits for at most so long. Whatever it waited for must end later.
func waitFor(wg *sync.WaitGroup, most time.Duration) {
	done := make(chan struct{})
	go func() {
		wg.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(most):
	}
}

// end asks for the process to be ended. Only the first reason counts.
func (s *process) end(why error) {
	select {
	case s.fault <- why:
	default:
	}
}

// program returns the version of the program's file; zero if there is none.
func (p *Policy) program() files.Version {
	if !p.isPath() {
		return files.Version{}
	}
	v, _ := files.Look(p.cfg.Command) // a file that is gone is waited for
	return v
}

func (s *process) watch(ctx context.Context, started files.Version) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(watchEvery):
		}
		if now := s.p.program(); now != (files.Version{}) && !now.Same(started) {
			s.end(errChanged)
			return
		}
	}
}

// write passes questions on, as long as slots are free.
func (s *process) write(ctx context.Context, stdin io.Writer) {
	for {
		select {
		case s.slots <- struct{}{}:
		case <-ctx.Done():
			return
		}
		select {
		case r := <-s.p.queue:
			if !s.take(r) {
				<-s.slots
				continue
			}
			if _, err := stdin.Write(r.line); err != nil {
				s.end(fmt.Errorf("%w: %w", errEnded, err))
				return
			}
		case <-ctx.Done():
			return
		}
	}
}

// take makes the question this process's own, unless nobody wants it any more.
func (s *process) take(r *request) bool {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	if r.abandoned {
		return false
	}
	r.owner, r.sent = s, time.Now()
	s.pending[r.id] = append(s.pending[r.id], r)
	return true
}

// removeLocked takes a question off the pending ones, and reports whether it
// was one of them.
func (s *process) removeLocked(r *request) bool {
	list := s.pending[r.id]
	i := slices.Index(list, r)
	if i < 0 {
		return false
	}
	if len(list) == 1 {
		delete(s.pending, r.id)
	} else {
		s.pending[r.id] = slices.Delete(list, i, i+1)
	}
	<-s.slots
	return true
}

// answeredTo takes the oldest question of this id; nil: there is none.
func (s *process) answeredTo(id string) *request {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	list := s.pending[id]
	if len(list) == 0 {
		return nil
	}
	r := list[0]
	s.removeLocked(r)
	s.answered = time.Now()
	return r
}

// read takes answers until the process ends or misbehaves.
func (s *process) read(stdout io.Reader) error {
	lines := bufio.NewScanner(stdout)
	lines.Buffer(nil, maxLine)
	for nonsense := 0; nonsense < maxNonsense; {
		if !lines.Scan() {
			if err := lines.Err(); err != nil {
				return fmt.Errorf("an answer: %w", err)
			}
			return errEnded
		}
		a, err := parseAnswer(lines.Bytes())
		if err != nil {
			nonsense++
			s.p.log.Debug("plugin: a line that is no answer", "command", s.p.cfg.Command, "err", err)
			continue
		}
		r := s.answeredTo(a.ID)
		if r == nil { // also the answer to a question that has been given up
			nonsense++
			continue
		}
		nonsense = 0
		v, ok := a.verdict()
		if !ok {
			s.p.log.Warn("plugin: unknown action", "command", s.p.cfg.Command, "action", a.Action)
			close(r.answer)
			continue
		}
		r.answer <- v
	}
	return errLies
}

// failAll answers what the process has left unanswered.
func (s *process) failAll() {
	s.p.mu.Lock()
	defer s.p.mu.Unlock()
	for _, list := range s.pending {
		for _, r := range list {
			close(r.answer)
		}
	}
	clear(s.pending)
}

const (
	maxLogLine   = 1 << 10 // bytes
	maxLogLines  = 50      // a second; what is more is dropped
	oneLogSecond = time.Second
)

// log passes the process's stderr on to the log.
func (s *process) log(stderr io.Reader) {
	r := bufio.NewReaderSize(stderr, maxLogLine)
	var since time.Time
	for n, dropped := 0, 0; ; {
		line, _, err := r.ReadLine()
		if err != nil {
			return
		}
		if time.Since(since) > oneLogSecond {
			if dropped > 0 {
				s.p.log.Warn("plugin says too much", "command", s.p.cfg.Command, "dropped", dropped)
			}
			since, n, dropped = time.Now(), 0, 0
		}
		if n++; n > maxLogLines {
			dropped++
			continue
		}
		s.p.log.Info("plugin says", "command", s.p.cfg.Command, "line", string(line))
	}
}
