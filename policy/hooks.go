package policy

import (
	"context"

	"moa/nips/event"
	"moa/nips/geo"
)

// The add-on interfaces of this file are for policies that host other people's
// hooks (package relay/khatru), but for Hider, Involving, Observer and what is about
// addresses and areas. Most policies need none of them.

// Rewriter changes what a filter asks for, before FilterPolicy is asked. It
// returns f itself or another filter; it must not change f.
type Rewriter interface {
	Rewrite(ctx context.Context, c Client, f *event.Filter) *event.Filter
}

// CountPolicy is asked about every filter of a COUNT, after FilterPolicy.
type CountPolicy interface {
	Count(ctx context.Context, c Client, f *event.Filter) Verdict
}

// LivePolicy is asked about each live event before a client gets it, after
// DeliveryPolicy, and must return at once like that: once for each client,
// however many subscriptions the event is for. It is not asked about stored ones.
type LivePolicy interface {
	Live(c Client, e *event.Event) bool
}

// Observer learns what has happened. Saved must return at once: it is called by
// the goroutine that does the fan-out.
type Observer interface {
	// Authenticated follows every successful AUTH; c.Authed knows it already.
	Authenticated(c Client)
	// Saved follows every event that was stored, or, if it is ephemeral,
	// accepted, before its fan-out.
	Saved(c Client, e *event.Event)
}

// Hider hides single events, or all events of an author, from everybody: it is asked
// about everything that is read, of every kind, and so must answer at once. An observed
// one hides nothing.
type Hider interface {
	Hides() bool // there is anything hidden at present
	Hidden(id event.ID, author event.PubKey) bool
}

// Involving is a DeliveryPolicy that shows some kinds to the people involved
// only: an event's author and those in its p tags. So other people's events need not
// be found first to be withheld, which would tell by the time it takes how many
// there are. An observed one withholds nothing.
type Involving interface {
	DeliveryPolicy
	InvolvedKinds() []uint16
}

// AddressPolicy knows hosts and paths at which the relay is too, besides its URL:
// clients connect there, and name the one that they are at when they authenticate
// (NIP-42), and in a request to vanish (NIP-62).
type AddressPolicy interface {
	OwnHost(host string) bool       // lower case, without port
	OwnPath(host, path string) bool // /…, without a slash at the end
}

// ScopePolicy makes a relay of each cell of the earth, at an address of its own.
// The relay tells clients of the addresses.
type ScopePolicy interface {
	// At returns the geohash that an address names, "" if it names none. It is not
	// always a valid one.
	At(host, path string) string
	// Scopes returns what is before a geohash in a path, and after a geohash and a
	// dot in a host; "" if there are no such scopes.
	Scopes() (path, domain string)
}

// AreaPolicy takes only events that are from an area of the earth. The relay tells
// clients which area.
type AreaPolicy interface {
	Area() *geo.Area
	AreaName() string // by which people know it, "" if it has none
	Where() string    // in a few words where it is: "u33 (Berlin)"
}

// AddressDelivery is a DeliveryPolicy that shows everything to clients at some
// addresses, to whom reading costs as if there were none.
type AddressDelivery interface {
	DeliveryPolicy
	// Looks reports that Deliver must be asked about the client. It decides by
	// Host and Path alone.
	Looks(c Client) bool
}

// SubIDPolicy is a policy that asks SubID of the context of Rewrite, Filter or
// Count. The others cost no context.
type SubIDPolicy interface {
	WantsSubID() bool
}

type subIDKey struct{}

// WithSubID returns a context that tells policies which subscription a filter
// is for.
func WithSubID(ctx context.Context, id string) context.Context {
	return context.WithValue(ctx, subIDKey{}, id)
}

// SubID returns the subscription id of a REQ, COUNT or NEG-OPEN, or "". Only a
// SubIDPolicy may rely on it.
func SubID(ctx context.Context) string {
	id, _ := ctx.Value(subIDKey{}).(string)
	return id
}
