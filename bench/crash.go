package bench

import (
	"cmp"
	"context"
	"time"
)

// Crash publishes, kills the relay with SIGKILL in the middle of it, starts it
// again on the same data, and asks for every event that had its OK. It needs a
// target that can be restarted.
//
// A killed process loses nothing that it has handed to the system: this finds
// an OK before the write, not one before the sync.
type Crash struct {
	Crashes int           `json:"crashes"`     // 0: 3
	After   time.Duration `json:"after"`       // load before each; 0: 1 s
	Conns   int           `json:"connections"` // 0: 8
	Window  int           `json:"window"`      // 0: 16
}

// Name is "crash".
func (Crash) Name() string { return "crash" }

// classRestart is the class of the time from the kill to the first accepted
// connection.
const classRestart = "restart"

// Run publishes and kills.
func (c Crash) Run(ctx context.Context, s *Session) (*Run, error) {
	c.Crashes = cmp.Or(c.Crashes, 3)
	c.After = cmp.Or(c.After, time.Second)
	c.Conns = cmp.Or(c.Conns, 8)
	c.Window = cmp.Or(c.Window, 16)
	if s.Target.Restart == nil {
		return nil, errNoRestart
	}
	numbers := s.unsent(0, 0)
	if len(numbers) == 0 {
		return nil, s.nothingToSend()
	}
	m := s.measure(c, time.Duration(c.Crashes)*2*c.After, classPublish, classRestart)
	m.counts = classPublish
	m.begin()
	taken := int64(0)
	for n := range c.Crashes {
		part := numbers[n*len(numbers)/c.Crashes : (n+1)*len(numbers)/c.Crashes]
		accepted, err := c.round(ctx, s, m, part)
		if err != nil {
			m.finish()
			return nil, err
		}
		taken += accepted
		if ctx.Err() != nil {
			break
		}
		m.setPhase("check")
		s.verify(ctx, m, part, len(part), LostAtCrash)
	}
	m.end()
	m.metric("accepted before crashes", "events", float64(taken), Neither)
	return m.finish(), nil
}

// round publishes until the relay is killed, and returns once it is back.
func (c Crash) round(ctx context.Context, s *Session, m *measure, numbers []int32) (accepted int64, err error) {
	p := Publish{Window: c.Window, Duration: fillMost, Probe: -1}.publishing(s, m, numbers)
	m.setPhase("publish")
	done := make(chan error, 1)
	go func() { done <- p.run(ctx, c.Conns) }()
	// In the middle of the load, even if a fast relay has half of it early.
	for end := time.Now().Add(c.After); time.Now().Before(end) && p.accepted.Load() < int64(len(numbers)/2); {
		if !wait(ctx, time.Now().Add(time.Millisecond), nil) {
			break
		}
	}
	p.crashing.Store(true)
	m.setPhase("crash")
	killed := time.Now()
	err = s.restart(ctx, true, func() {})
	if err == nil {
		m.done(classRestart, killed)
	}
	if ran := <-done; err == nil {
		err = ran
	}
	return p.accepted.Load(), err
}
