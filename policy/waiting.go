package policy

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"moa/nips/event"
	"moa/nips/reason"
)

// Waiting are the events that wait for a person to approve them. They are not among the
// stored events, so that no way to read those shows them.
type Waiting interface {
	// Wait has an event wait. It is durable when Wait says that it Waits.
	Wait(ctx context.Context, r WaitRequest) (WaitOutcome, error)
	// Waiting are the waiting events of which that is true. They are not to be changed.
	Waiting(which func(*event.Event) bool) []*event.Event
	// Recheck has it looked at soon whether an author has deleted what waits, or has vanished.
	Recheck(event.PubKey)
}

// WaitRequest asks for an event to wait.
type WaitRequest struct {
	Event *event.Event
	From  netip.Addr // zero: nobody is charged for it
	Until int64      // it waits no longer, Unix seconds

	// What may wait at most; an address and an author may have an eighth of the bytes.
	Events, Bytes         int
	PerAddress, PerAuthor int
}

// WaitOutcome is what became of a WaitRequest.
type WaitOutcome uint8

const (
	Waits       WaitOutcome = iota + 1
	NeedNotWait             // its author has been approved
	NoRoom                  // too much waits
	NoShare                 // too much of the author, or from the address, waits
	NewerWaits              // a newer version of it waits
	DecidedNo               // it is decided that it is not taken
)

// nothingWaits is where there is no operator.
type nothingWaits struct{}

var errNobodyApproves = errors.New("there is nobody to approve events")

func (nothingWaits) Wait(context.Context, WaitRequest) (WaitOutcome, error) {
	return 0, errNobodyApproves
}
func (nothingWaits) Waiting(func(*event.Event) bool) []*event.Event { return nil }
func (nothingWaits) Recheck(event.PubKey)                           {}

// ApprovalPolicy is a policy that may answer with Wait. Once the whole chain has let the
// event in otherwise, Hold has it wait: its verdict is a Wait with what the client is told,
// an Accept if the event may be stored at once, or a Reject. It waits for the disk.
type ApprovalPolicy interface {
	Policy
	Hold(ctx context.Context, c Client, e *event.Event) Verdict
}

// WaitingPolicy decides who may see the events that wait. Everybody else may not, on any
// way to read.
type WaitingPolicy interface {
	Policy
	Waiting() []*event.Event
	SeesWaiting(c Client, e *event.Event) bool
}

type approvalLink struct {
	*Named
	policy ApprovalPolicy
}

func (l *approvalLink) hold(ctx context.Context, c Client, e *event.Event) (v Verdict) {
	defer l.refuse(&v)
	return l.policy.Hold(ctx, c, e)
}

type waitingLink struct {
	*Named
	policy WaitingPolicy
}

func (l *waitingLink) waiting() (list []*event.Event) {
	defer l.survive()
	return l.policy.Waiting()
}

func (l *waitingLink) sees(c Client, e *event.Event) (yes bool) {
	defer l.decide(&yes, false)
	return l.policy.SeesWaiting(c, e)
}

// joined is what follows from two verdicts that both let an event in. What is not stored
// cannot wait.
func joined(before Decision, v Verdict, n *Named) Decision {
	if before.Action == Accept || before.Action == v.Action {
		return Decision{v, n.Name}
	}
	return Decision{Refuse(reason.Restricted, "a person must approve the author first, and events that this relay does not store cannot wait for that"), n.Name}
}

// Hold has an event wait about which the policy of that name has said so.
func (c *Chain) Hold(ctx context.Context, cl Client, e *event.Event, by string) Verdict {
	for i := range c.hooks.approvals {
		if l := &c.hooks.approvals[i]; l.Name == by {
			return l.hold(ctx, cl, e)
		}
	}
	return broken
}

// Waiting are the events that wait, that match one of the filters, and that the client
// may see, in no order.
func (c *Chain) Waiting(cl Client, filters []*event.Filter) (list []*event.Event) {
	if c == nil || len(cl.Authed()) == 0 {
		return nil
	}
	for i := range c.hooks.waiting {
		for _, e := range c.hooks.waiting[i].waiting() {
			if slices.ContainsFunc(filters, func(f *event.Filter) bool { return f.Matches(e) }) && c.SeesWaiting(cl, e) {
				list = append(list, e)
			}
		}
	}
	return list
}

// SeesWaiting reports whether the client may see an event that waits.
func (c *Chain) SeesWaiting(cl Client, e *event.Event) bool {
	if c == nil {
		return false
	}
	for i := range c.hooks.waiting {
		if l := &c.hooks.waiting[i]; l.sees(cl, e) {
			return c.Deliver(cl, e)
		}
	}
	return false
}
