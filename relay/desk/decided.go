package desk

import (
	"net/netip"

	"moa/nips/event"
	"moa/policy"
	"moa/store/state"
)

// Decided is what is decided, as policies ask it. State is set before the first of them
// is asked; nil: nothing is decided.
type Decided struct{ State *state.Store }

var (
	_ policy.Decided = (*Decided)(nil)
	_ policy.Members = (*Decided)(nil)
)

func (d *Decided) Author(pk event.PubKey) (out policy.AuthorDecision) {
	if d.State == nil {
		return out
	}
	a := d.State.Author(pk)
	out = policy.AuthorDecision{Hidden: a.Ban.Hidden, Erasing: a.Erasing, Closed: a.Closed, Approved: a.Approved}
	switch {
	case a.Banned && a.Ban.Until == 0:
		out.Until = policy.Forever
	case a.Banned:
		out.Until = a.Ban.Until
	}
	return out
}

func (d *Decided) Event(id event.ID) policy.EventDecision {
	if d.State == nil {
		return policy.Undecided
	}
	switch d.State.Ruling(id).Do {
	case state.Hide:
		return policy.HiddenEvent
	case state.Remove:
		return policy.RemovedEvent
	}
	return policy.Undecided
}

func (d *Decided) Hides(now int64) bool { return d.State != nil && d.State.Hides(now) }

func (d *Decided) Address(ip netip.Addr) (why string, blocked bool) {
	if d.State == nil {
		return "", false
	}
	return d.State.Address(ip)
}

func (d *Decided) Kind(kind uint16) (allowed, decided bool) {
	if d.State == nil {
		return false, false
	}
	return d.State.Kind(kind)
}

func (d *Decided) Generation() uint64 {
	if d.State == nil {
		return 0
	}
	return d.State.Generation()
}

// Member says whether somebody is a member, with that role if it is not "".
func (d *Decided) Member(pk event.PubKey, role string) bool {
	if d.State == nil {
		return false
	}
	m, is := d.State.Member(pk)
	return is && (role == "" || m.Has(role))
}

func (d *Decided) MembersGeneration() uint64 {
	if d.State == nil {
		return 0
	}
	return d.State.MembersGeneration()
}
