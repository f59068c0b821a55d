package policy

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"runtime/debug"
	"sync/atomic"

	"moa/nips/event"
	"moa/nips/reason"
)

// A panic of a policy costs one answer. The chain then refuses what the policy was
// asked about, unless it only observes the policy, hides what the policy was to show,
// and tells Chain.OnPanic. The policies behind it are asked as before.

// PanicReport is told of a policy that has panicked, by the goroutine that asked it.
// stack is that of the link's first panic, nil for those that follow.
type PanicReport func(n *Named, value any, stack []byte)

// OnPanic sets the function that is told of panics from now on; nil: none.
func (c *Chain) OnPanic(report PanicReport) {
	if c != nil {
		c.panicked.Store(&report)
	}
}

// PanicReporter is a policy that calls what may panic where a Chain cannot see it: on
// goroutines of its own, or through a library that recovers. It recovers, refuses, and
// reports the panic's value, if it can from the deferred function that has recovered it.
type PanicReporter interface {
	ReportPanics(report func(value any))
}

// broken is what clients are told of a panic.
var broken = Refuse(reason.Error, "a check that this relay makes has failed, try again later")

// trouble is a link's panics.
type trouble struct {
	chain *Chain
	told  atomic.Bool // with the stack
}

// caught takes note of a panic. It is called while that is being recovered from.
func (n *Named) caught(value any) {
	if n.trouble == nil {
		return // not a chain's
	}
	report := n.trouble.chain.panicked.Load()
	if report == nil || *report == nil {
		return
	}
	var stack []byte
	if !n.trouble.told.Swap(true) {
		stack = debug.Stack()
	}
	(*report)(n, value, stack)
}

// The following are to be deferred.

// refuse has a panic refuse.
func (n *Named) refuse(v *Verdict) {
	if value := recover(); value != nil {
		n.caught(value)
		*v = broken
	}
}

// decide has a panic decide so.
func (n *Named) decide(yes *bool, so bool) {
	if value := recover(); value != nil {
		n.caught(value)
		*yes = so
	}
}

// survive has a panic do nothing.
func (n *Named) survive() {
	if value := recover(); value != nil {
		n.caught(value)
	}
}

// The following ask the policies.

func (n *Named) event(ctx context.Context, cl Client, e *event.Event) (v Verdict) {
	defer n.refuse(&v)
	return n.Policy.Event(ctx, cl, e)
}

// member reports what concerns does. Where a group has panicked, the policy is
// asked.
func (n *Named) member(cl Client, e *event.Event) (yes bool) {
	defer n.decide(&yes, true)
	return (n.Only == nil || involved(n.Only, cl, e)) && (n.Unless == nil || !involved(n.Unless, cl, e))
}

func (l *filterLink) filter(ctx context.Context, cl Client, f *event.Filter) (v Verdict) {
	defer l.refuse(&v)
	return l.policy.Filter(ctx, cl, f)
}

func (l *rightLink) mayRead(cl Client, kinds []uint16) (v Verdict) {
	defer l.refuse(&v)
	return l.policy.MayRead(cl, kinds)
}

func (l *changingLink) version() (v uint64) {
	defer l.survive()
	return l.what.Version()
}

func (l *deliveryLink) deliver(cl Client, e *View) (yes bool) {
	defer l.decide(&yes, false)
	return l.policy.Deliver(cl, e)
}

func (l *connLink) connect(ctx context.Context, cl Client, r *http.Request) (v Verdict) {
	defer l.Named.refuse(&v)
	return l.policy.Connect(ctx, cl, r)
}

func (l *decidedLink) generation() (n uint64) {
	defer l.survive()
	return l.policy.Generation()
}

func (l *stayLink) mayStay(cl Client) (v Verdict) {
	defer l.Named.refuse(&v)
	return l.policy.MayStay(cl)
}

func (l *connLink) disconnect(cl Client) {
	defer l.survive()
	l.policy.Disconnect(cl)
}

func (l *countLink) count(ctx context.Context, cl Client, f *event.Filter) (v Verdict) {
	defer l.refuse(&v)
	return l.policy.Count(ctx, cl, f)
}

func (l *liveLink) live(cl Client, e *event.Event) (yes bool) {
	defer l.decide(&yes, false)
	return l.policy.Live(cl, e)
}

func (l *rewriteLink) rewrite(ctx context.Context, cl Client, f *event.Filter) (to *event.Filter, v Verdict) {
	defer l.refuse(&v)
	return l.policy.Rewrite(ctx, cl, f), v
}

func (l *hideLink) hides() (yes bool) {
	defer l.decide(&yes, true)
	return l.policy.Hides()
}

func (l *hideLink) hidden(id event.ID, author event.PubKey) (yes bool) {
	defer l.decide(&yes, true)
	return l.policy.Hidden(id, author)
}

func (l *observeLink) authenticated(cl Client) {
	defer l.survive()
	l.policy.Authenticated(cl)
}

func (l *observeLink) saved(cl Client, e *event.Event) {
	defer l.survive()
	l.policy.Saved(cl, e)
}

// PanicError is a panic of what runs in the background.
type PanicError struct {
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Stack is the stack of a panic that Safely has returned, for a log; of another error it
// is empty, and a log leaves it out.
func Stack(err error) slog.Attr {
	if p, ok := errors.AsType[*PanicError](err); ok {
		return slog.String("stack", string(p.Stack))
	}
	return slog.Attr{}
}

// Safely calls f, and returns a panic of it as a *PanicError.
func Safely(f func() error) (err error) {
	defer func() {
		if value := recover(); value != nil {
			err = &PanicError{value, debug.Stack()}
		}
	}()
	return f()
}
