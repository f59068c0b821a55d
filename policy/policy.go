// Package policy decides what the relay takes and which clients may read it. A Policy
// is asked about every event; what a few policies need besides is an add-on
// interface that the Chain finds by type assertion. Policies are called from
// many goroutines at once and never wait for a client.
package policy

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"

	"moa/nips/event"
	"moa/nips/reason"
)

// Client is what a policy may know of the connection that an event or a filter
// came from. It is safe for concurrent use.
type Client interface {
	ID() uint64             // unique as long as the relay runs
	IP() netip.Addr         // behind trusted proxies, the address they name; invalid for an import
	Host() string           // the host the client connected to, lower case, without port
	Path() string           // the path, if it is an AddressPolicy's; "" at the relay's own
	Authed() []event.PubKey // the public keys that the client has proved (NIP-42), in that order; not to be changed
}

// Local reports a client on this machine, for which no bound of one address is
// meant. The relay's own clients have a method of that name: from a proxy on this
// machine everybody comes with its address.
func Local(c Client) bool {
	if own, ok := c.(interface{ Local() bool }); ok {
		return own.Local()
	}
	return c.IP().Unmap().IsLoopback()
}

// Action is what a Verdict tells the relay to do. The zero Action accepts.
type Action uint8

const (
	Accept    Action = iota
	Reject           // refuse, with Reason and Text
	Shadow           // answer OK true, and neither store the event nor send it
	RelayOnly        // send to live subscriptions, never store; later policies may still refuse
	Wait             // keep until a person approves it, see ApprovalPolicy; later policies may still refuse
)

// actions are the words for them in metrics and logs.
var actions = [...]string{Accept: "accept", Reject: "reject", Shadow: "shadow", RelayOnly: "relay_only", Wait: "wait"}

func (a Action) String() string {
	if int(a) < len(actions) {
		return actions[a]
	}
	return fmt.Sprintf("action %d", uint8(a))
}

// Verdict is a policy's answer. The zero Verdict accepts.
type Verdict struct {
	Action Action
	Reason reason.Reason // of a Reject
	Text   string        // for the person behind the client
}

// letsIn reports a verdict that neither refuses the event nor drops it.
func (v Verdict) letsIn() bool { return v.Action != Reject && v.Action != Shadow }

// Refuse returns a Verdict that rejects.
func Refuse(r reason.Reason, text string) Verdict {
	return Verdict{Action: Reject, Reason: r, Text: text}
}

// Policy is asked about each event whose id holds, before its signature is
// checked: a cheap refusal saves that work. The event must not be changed.
type Policy interface {
	Event(ctx context.Context, c Client, e *event.Event) Verdict
}

// LatePolicy marks a policy that must see only events whose signature holds:
// it keeps state by author, or it is expensive.
type LatePolicy interface {
	Policy
	AfterSignature()
}

// FilterPolicy is asked about every filter of REQ, COUNT and NEG-OPEN, those with
// `limit:0` included. Only Accept and Reject have a meaning.
type FilterPolicy interface {
	Filter(ctx context.Context, c Client, f *event.Filter) Verdict
}

// RightPolicy is a FilterPolicy that decides by the client's identities and by the
// kinds that a filter asks for. It is asked again about open subscriptions, COUNTs and
// syncs when the chain, a list of people or the client's identities have changed. A
// policy that is about something else than a right, such as how often a client asks,
// accepts then. A FilterPolicy that is no RightPolicy is asked only when a filter
// comes; when a reload brings a new one, everything that is open ends.
type RightPolicy interface {
	FilterPolicy
	// MayRead must return at once, like Deliver. kinds are those of one filter;
	// nil: all.
	MayRead(c Client, kinds []uint16) Verdict
}

// Changing is a policy, or a Group, that decides by what may change while it
// runs. Its Version grows after each change.
type Changing interface {
	Version() uint64
}

// DeliveryPolicy is asked about each event, stored or live, before a client
// sees or counts it.
type DeliveryPolicy interface {
	// DeliveryKinds are the only kinds it wants to be asked about; nil: all,
	// which costs a parse of every stored event that is read.
	DeliveryKinds() []uint16
	// Deliver must return at once. The fan-out handles one event after the other, so
	// a live event waits for the answers about each client that subscribes to those
	// before it: 100 us an answer are 0.1 s for a thousand readers. moa_fanout_seconds
	// shows it. What a policy works out about the event's tags belongs into the View,
	// so that this is done once for all clients.
	Deliver(c Client, e *View) bool
}

// ConnPolicy sees connections come and go. Disconnect follows every accepted
// Connect exactly once.
type ConnPolicy interface {
	Connect(ctx context.Context, c Client, r *http.Request) Verdict
	Disconnect(c Client)
}

// Runner is a policy with work of its own: a list that it reads again, a child
// process. It does nothing in the background before Run and after it.
type Runner interface {
	// Run works until ctx ends and leaves no goroutine and no process behind.
	Run(ctx context.Context) error
}

// Loader is a Runner that must read something before it knows what it decides
// by. It may be asked before.
type Loader interface {
	Runner
	// Loaded is closed once Run has read everything for the first time.
	Loaded() <-chan struct{}
}

// Announcer is a policy whose limits clients should know beforehand.
type Announcer interface {
	Limits() Limits
}
