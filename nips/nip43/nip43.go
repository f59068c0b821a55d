// Package nip43 reads and writes the events by which people join and leave a relay, and
// by which a relay says who its members are (NIP-43). It decides nothing.
package nip43

import (
	"fmt"
	"strconv"
	"time"

	"moa/nips/event"
)

// The kinds of NIP-43.
const (
	KindAdded       = 8000  // by the relay: somebody has become a member
	KindRemoved     = 8001  // by the relay: somebody is no member any more
	KindMemberships = 10010 // by a person: the relays of which they are a member
	KindMembers     = 13534 // by the relay: its members
	KindJoin        = 28934 // a request to become a member
	KindInvite      = 28935 // by the relay, when it is asked for one: a claim
	KindLeave       = 28936 // a request to be no member any more
	KindRole        = 33534 // by the relay: what a role is
)

// Window is how far the time of a request may be from now. A request that somebody has
// seen elsewhere is of no use after it.
const Window = 5 * time.Minute

// IsRequest reports a kind by which a person asks the relay for something.
func IsRequest(kind uint16) bool { return kind == KindJoin || kind == KindLeave }

// Fault says what is wrong with a request at that time, "" if nothing is. The text is
// for the client.
func Fault(e *event.Event, now time.Time) string {
	switch age := now.Sub(time.Unix(e.CreatedAt, 0)); {
	case age > Window || age < -Window:
		return fmt.Sprintf("created_at must be within %d minutes of now", int(Window.Minutes()))
	case e.Kind == KindJoin && Claim(e) == "":
		return "a request to join names the invite code in a claim tag"
	case e.Kind == KindLeave && !e.Protected():
		return `a request to leave has a "-" tag`
	}
	return ""
}

// Claim is the invite code that a request to join, or an invite, names; "" if it names
// none.
func Claim(e *event.Event) string {
	for _, t := range e.Tags {
		if t[0] == "claim" && len(t) > 1 {
			return t[1]
		}
	}
	return ""
}

func protected(kind uint16, tags ...event.Tag) event.Event {
	return event.Event{Kind: kind, Tags: append([]event.Tag{{"-"}}, tags...)}
}

// Invite is an invite, neither dated nor signed.
func Invite(code string) event.Event { return protected(KindInvite, event.Tag{"claim", code}) }

// Added and Removed say that somebody has become a member, or is none any more.
func Added(pk event.PubKey) event.Event { return protected(KindAdded, event.Tag{"p", pk.String()}) }

func Removed(pk event.PubKey) event.Event { return protected(KindRemoved, event.Tag{"p", pk.String()}) }

// Member is one of a list of members.
type Member struct {
	PubKey event.PubKey
	Roles  []string
}

// Members is the list of members.
func Members(list []Member) event.Event {
	tags := make([]event.Tag, len(list))
	for i, m := range list {
		tags[i] = append(event.Tag{"member", m.PubKey.String()}, m.Roles...)
	}
	return protected(KindMembers, tags...)
}

// Role is what is said of a role.
type Role struct {
	ID, Label, Description string
	Color, Order           *int // nil: nothing is said of it
}

// Event says what the role is.
func (r *Role) Event() event.Event {
	e := protected(KindRole, event.Tag{"d", r.ID})
	for _, t := range []struct {
		name, value string
	}{{"label", r.Label}, {"description", r.Description}, {"color", number(r.Color)}, {"order", number(r.Order)}} {
		if t.value != "" {
			e.Tags = append(e.Tags, event.Tag{t.name, t.value})
		}
	}
	return e
}

func number(n *int) string {
	if n == nil {
		return ""
	}
	return strconv.Itoa(*n)
}

// Deleted says that what the relay with that key has said of a role, or the list of its
// members with no id, holds no more.
func Deleted(self event.PubKey, kind uint16, id string) event.Event {
	address := fmt.Sprintf("%d:%s:%s", kind, self, id)
	return event.Event{Kind: event.KindDeletion, Tags: []event.Tag{{"a", address}, {"k", strconv.Itoa(int(kind))}}}
}
