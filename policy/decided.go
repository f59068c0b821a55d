package policy

import (
	"context"
	"math"
	"net/netip"

	"moa/nips/event"
)

// Decided is what operators have decided through one of the doors, which stands over the
// configuration. It is asked about every event that comes or goes, so it takes no lock
// and makes no garbage.
type Decided interface {
	Author(event.PubKey) AuthorDecision
	Event(event.ID) EventDecision
	Hides(now int64) bool                          // some author or event is hidden at that time, Unix seconds
	Address(netip.Addr) (why string, blocked bool) // why is for operators
	Kind(kind uint16) (allowed, decided bool)      // decided is false: the configuration says it
	Generation() uint64                            // grows with each change of the above
}

// AuthorDecision is about an author. The zero AuthorDecision says nothing.
type AuthorDecision struct {
	Until   int64 // a ban ends then, Unix seconds; 0: there is none; Forever
	Hidden  bool  // while it holds, what the author has written is shown to nobody
	Erasing bool  // what is stored of the author is being removed; no more may come, and nothing be shown
	Closed  int64 // reports up to then are closed, Unix seconds

	Approved bool // their events need not wait
}

// Forever is the end of what has no end.
const Forever = math.MaxInt64

// EventDecision is about a single event.
type EventDecision uint8

const (
	Undecided    EventDecision = iota
	HiddenEvent                // it is shown to nobody, and refused if it comes again
	RemovedEvent               // the same, and it is removed from the store
)

// undecided is what is decided where there is no operator.
type undecided struct{}

func (undecided) Author(event.PubKey) AuthorDecision            { return AuthorDecision{} }
func (undecided) Event(event.ID) EventDecision                  { return Undecided }
func (undecided) Hides(int64) bool                              { return false }
func (undecided) Address(netip.Addr) (why string, blocked bool) { return "", false }
func (undecided) Kind(uint16) (allowed, decided bool)           { return false, false }
func (undecided) Generation() uint64                            { return 0 }

// DecidedPolicy is a policy that asks Decided. Where operators have decided anything
// since it was asked about an event, it is asked again just before the event is
// stored or sent: so nothing is acknowledged after a ban was.
type DecidedPolicy interface {
	Policy
	// Generation is that of what is decided.
	Generation() uint64
}

// StayPolicy is a ConnPolicy that is asked again about connections that are open, when
// operators have decided anything.
type StayPolicy interface {
	ConnPolicy
	MayStay(c Client) Verdict
}

// decisions are a chain's policies that follow what operators decide.
type decisions struct {
	events []decidedLink
	stays  []stayLink
}

type decidedLink struct {
	*Named
	policy DecidedPolicy
}

type stayLink struct {
	*Named
	policy StayPolicy
}

func (d *decisions) add(n *Named) {
	if p, ok := n.Policy.(DecidedPolicy); ok {
		d.events = append(d.events, decidedLink{n, p})
	}
	if p, ok := n.Policy.(StayPolicy); ok {
		d.stays = append(d.stays, stayLink{n, p})
	}
}

// Generation grows with each change of what operators have decided and the chain asks.
func (c *Chain) Generation() (sum uint64) {
	if c == nil {
		return 0
	}
	for i := range c.decisions.events {
		sum += c.decisions.events[i].generation()
	}
	return sum
}

// Again asks about an event that Late has let in, where Generation has grown.
func (c *Chain) Again(ctx context.Context, cl Client, e *event.Event) Decision {
	if c == nil {
		return Decision{}
	}
	for i := range c.decisions.events {
		n := c.decisions.events[i].Named
		if !n.concerns(cl, e) {
			continue
		}
		if v := n.event(ctx, cl, e); (v.Action == Reject || v.Action == Shadow) && c.enforced(n, AtEvent, v) {
			return Decision{v, n.Name}
		}
	}
	return Decision{}
}

// MayStay asks again about an open connection.
func (c *Chain) MayStay(cl Client) Decision {
	if c == nil {
		return Decision{}
	}
	for i := range c.decisions.stays {
		l := &c.decisions.stays[i]
		if v := l.mayStay(cl); v.Action == Reject && c.enforced(l.Named, AtConnect, v) {
			return Decision{v, l.Name}
		}
	}
	return Decision{}
}
