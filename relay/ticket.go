package relay

import (
	"errors"
	"net/netip"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/outbox"
	"moa/relay/ws"
	"moa/store"
)

// ticket is one EVENT on its way to its OK. Refused ones take the same way, so
// that OKs leave in the order of the EVENTs.
type ticket struct {
	from    submitter
	e       *event.Event // nil: malformed
	id      string       // what the OK names if e is nil; "" if it could not be read
	chain   *policy.Chain
	asked   uint64 // the chain's generation, as its policies were asked
	request bool   // to the relay itself; no policy was asked
	fate    fate   // "": the store decides

	serial store.Serial // if fate is fateStored
	replay bool         // if fate is fateRelayed: clients that come late may see it

	// What the OK says besides.
	reason reason.Reason
	text   string
}

// fate is what became of an EVENT.
type fate string

const (
	fateStored    fate = "stored"
	fateDuplicate fate = "duplicate"
	fateStale     fate = "stale"    // a newer version was stored
	fateDeleted   fate = "deleted"  // its author has deleted it
	fateVanished  fate = "vanished" // its author has asked to vanish
	fateExpired   fate = "expired"
	fateRelayed   fate = "relayed"  // sent to live subscriptions and not stored: ephemeral, or so decided
	fateShadowed  fate = "shadowed" // answered true and dropped
	fateAnswered  fate = "answered" // a request to the relay itself, which it has granted
	fateWaiting   fate = "waiting"  // kept until a person approves its author
	fateInvalid   fate = "invalid"  // malformed, or its signature does not hold
	fateRefused   fate = "refused"  // by a rule or a policy
	fateFailed    fate = "failed"   // by the store
)

// submitter is the client that an EVENT has come from.
type submitter interface {
	policy.Client
	source() source
	box() *outbox.Outbox // for the OK
	resolved()           // a ticket of it is done
}

// source is what tickets are counted by: a network, on this machine a connection.
type source struct {
	net  netip.Addr
	conn uint64
}

// ok reports whether the OK says true.
func (t *ticket) ok() bool {
	switch t.fate {
	case fateStored, fateDuplicate, fateRelayed, fateShadowed, fateAnswered, fateWaiting:
		return true
	}
	return false
}

// cost is what the ticket holds in memory until it is done, in bytes.
func (t *ticket) cost() int {
	if t.e == nil {
		return 256
	}
	return 256 + t.e.Bytes() + len(t.e.Raw) // the event, and the copy of its bytes that Raw is part of
}

// weight is about how many keys it takes to commit the event. A deletion looks
// for what each of its tags names, and may remove it with all of its keys.
func (t *ticket) weight() int {
	if t.e == nil || t.fate != "" {
		return 1
	}
	n := 8 + len(t.e.Tags) + len(t.e.Raw)/512
	if t.e.Kind == event.KindDeletion {
		n += 7 * len(t.e.Tags)
	}
	return n
}

func (t *ticket) refuse(f fate, r reason.Reason, text string) {
	t.fate, t.reason, t.text = f, r, text
}

// decide takes over what the store has done with the event.
func (t *ticket) decide(r store.Result) {
	switch r.Outcome {
	case store.Stored:
		t.fate, t.serial = fateStored, r.Serial
	case store.Duplicate:
		t.refuse(fateDuplicate, reason.Duplicate, "already have this event")
	case store.Stale:
		t.refuse(fateStale, reason.Duplicate, "a newer version was stored")
	case store.Deleted:
		t.refuse(fateDeleted, reason.Blocked, "this event was deleted by its author")
	case store.Vanished:
		t.refuse(fateVanished, reason.Blocked, "its author has asked this relay to forget it")
	case store.Expired:
		t.refuse(fateExpired, reason.Invalid, "event expired")
	case store.TooLarge:
		t.refuse(fateInvalid, reason.Invalid, "more tags than this relay can index")
	}
}

// fail says that the store could not.
func (t *ticket) fail(err error) {
	text := "the relay cannot store events at the moment, try again later"
	if errors.Is(err, store.ErrFull) {
		text = "the relay's disk is full, try again later"
	}
	t.refuse(fateFailed, reason.Error, text)
}

// sendOK queues the OK.
func (t *ticket) sendOK(b outbox.Batch) { b.Offer(t.from.box(), t.okay()) }

func (t *ticket) okay() ws.Msg {
	id := t.id
	if t.e != nil {
		id = t.e.ID.String()
	}
	head := make([]byte, 0, len(`["OK","","",false]`)+len(id)+len(t.reason)+len(t.text)+4)
	return ws.Msg{Head: wire.AppendOK(head, id, t.ok(), t.reason, t.text)}
}
