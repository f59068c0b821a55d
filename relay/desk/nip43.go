package desk

import (
	"context"
	"errors"
	"strings"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/store/state"
)

// NIP43 answers what people ask by events (relay.MemberDesk).
type NIP43 struct{ *Desk }

const doorNIP43 = "nip43"

// Join answers a request to become a member.
func (d NIP43) Join(ctx context.Context, pk event.PubKey, code string) (ok bool, why reason.Reason, text string) {
	err := d.Claim(ctx, state.Actor{Key: pk, Door: doorNIP43}, code)
	switch {
	case err == nil:
		return true, reason.Info, "welcome, you are a member of this relay now"
	case errors.Is(err, state.ErrMember):
		return true, reason.Duplicate, "you are already a member of this relay."
	}
	why, text = d.refusal("join", err)
	return false, why, text
}

// Leave answers a request to be no member any more.
func (d NIP43) Leave(ctx context.Context, pk event.PubKey) (ok bool, why reason.Reason, text string) {
	err := d.Desk.Leave(ctx, state.Actor{Key: pk, Door: doorNIP43})
	switch {
	case err == nil:
		return true, reason.Info, "you are no member of this relay any more"
	case errors.Is(err, state.ErrNoMember):
		return true, reason.Duplicate, "you are no member of this relay"
	}
	why, text = d.refusal("leave", err)
	return false, why, text
}

// Invite returns a code, made by the first of these people that may make one.
func (d NIP43) Invite(ctx context.Context, keys []event.PubKey) (code string, why reason.Reason, text string) {
	err := ErrMayNotInvite
	for _, pk := range keys {
		code, err = d.MemberInvite(ctx, state.Actor{Key: pk, Door: doorNIP43})
		if err == nil {
			return code, "", ""
		}
		if !errors.Is(err, ErrMayNotInvite) {
			break
		}
	}
	why, text = d.refusal("invite", err)
	return "", why, text
}

// refusal is what a client is told of an error; what is not its fault is logged.
func (d NIP43) refusal(asked string, err error) (why reason.Reason, text string) {
	if errors.Is(err, state.ErrRequest) {
		return reason.Restricted, strings.TrimPrefix(err.Error(), state.ErrRequest.Error()+": ")
	}
	d.deps.Log.Error("what somebody has asked for as a member could not be decided", "asked", asked, "err", err)
	return reason.Error, "the relay cannot do this at the moment, try again later"
}
