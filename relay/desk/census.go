package desk

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"moa/store/census"
)

// censusEvery is how old a count is before another is made.
const censusEvery = time.Hour

// Census has what the store holds counted when somebody asks, at most once an hour,
// however many ask. It is safe for concurrent use.
type Census struct {
	count func(ctx context.Context, progress func(events int64)) (*census.Report, error)
	now   func() time.Time
	log   *slog.Logger
	due   chan struct{} // a count is to be made. One is enough
	soFar atomic.Int64  // events, by the count under way

	mu     sync.Mutex     // guards the following
	report *census.Report // the newest; nil: none yet
	err    error          // of the last count
	ended  chan struct{}  // closed at the end of the count that is due or under way; nil: none is
}

// NewCensus returns one that counts by count, in Run. log and now may be nil.
func NewCensus(count func(ctx context.Context, progress func(events int64)) (*census.Report, error), log *slog.Logger, now func() time.Time) *Census {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if now == nil {
		now = time.Now
	}
	return &Census{count: count, now: now, log: log, due: make(chan struct{}, 1)}
}

// Counted is what is known of the store.
type Counted struct {
	Report *census.Report `json:"report,omitempty"` // the newest; nil: none yet
	// Counting: another is made, and has counted SoFar events.
	Counting bool  `json:"counting"`
	SoFar    int64 `json:"so_far,omitempty"`
	// Fault is why the last count has failed; "": it has not.
	Fault string `json:"fault,omitempty"`
}

// Ask has another count made if the newest is older than an hour, and returns what is
// known now. It does not wait; ended, if there is one, is closed when the count that is
// under way has ended.
func (c *Census) Ask() (now Counted, ended <-chan struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended == nil && (c.report == nil || c.now().Sub(c.report.At) >= censusEvery) {
		c.ended, c.err = make(chan struct{}), nil
		c.due <- struct{}{} // there is room: Run has taken the one before
	}
	return c.knownLocked(), c.ended
}

// Known is what is known now.
func (c *Census) Known() Counted {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.knownLocked()
}

func (c *Census) knownLocked() Counted {
	now := Counted{Report: c.report, Counting: c.ended != nil}
	if now.Counting {
		now.SoFar = c.soFar.Load()
	}
	if c.err != nil {
		now.Fault = c.err.Error()
	}
	return now
}

// Run counts when that is due, until ctx ends.
func (c *Census) Run(ctx context.Context) {
	for {
		select {
		case <-c.due:
			c.once(ctx)
		case <-ctx.Done():
			return
		}
	}
}

func (c *Census) once(ctx context.Context) {
	c.soFar.Store(0)
	report, err := c.count(ctx, c.soFar.Store)
	switch {
	case err == nil:
		c.log.Info("what is stored was counted", "events", report.Events, "seconds", report.Took)
	case ctx.Err() == nil:
		c.log.Error("what is stored cannot be counted", "err", err)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.report = report
	}
	c.err = err
	close(c.ended)
	c.ended = nil
}
