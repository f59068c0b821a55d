package khatru

import (
	"encoding/hex"
	"strings"
	"sync/atomic"

	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// lastEvent keeps the last conversion of a live event, for PreventBroadcast is
// asked once a connection. Hooks share the copy, as they do in khatru; moa's
// bytes are never theirs.
type lastEvent struct{ p atomic.Pointer[conversion] }

type conversion struct {
	from *event.Event
	to   *nostr.Event
}

func (l *lastEvent) convert(e *event.Event) *nostr.Event {
	if c := l.p.Load(); c != nil && c.from == e {
		return c.to
	}
	c := &conversion{from: e, to: toKhatruEvent(e)}
	l.p.Store(c)
	return c.to
}

func toKhatruEvent(e *event.Event) *nostr.Event {
	tags := make(nostr.Tags, len(e.Tags))
	for i, t := range e.Tags {
		tags[i] = append(nostr.Tag(nil), t...)
	}
	return &nostr.Event{
		ID:        e.ID.String(),
		PubKey:    e.PubKey.String(),
		CreatedAt: nostr.Timestamp(e.CreatedAt),
		Kind:      int(e.Kind),
		Tags:      tags,
		Content:   e.Content,
		Sig:       hex.EncodeToString(e.Sig[:]),
	}
}

func toKhatruFilter(f *event.Filter) nostr.Filter {
	nf := nostr.Filter{Limit: f.Limit, LimitZero: f.HasLimit && f.Limit == 0, Search: f.Search}
	if f.IDs != nil {
		nf.IDs = make([]string, len(f.IDs))
		for i, id := range f.IDs {
			nf.IDs[i] = id.String()
		}
	}
	if f.Authors != nil {
		nf.Authors = make([]string, len(f.Authors))
		for i, pk := range f.Authors {
			nf.Authors[i] = pk.String()
		}
	}
	if f.Kinds != nil {
		nf.Kinds = make([]int, len(f.Kinds))
		for i, k := range f.Kinds {
			nf.Kinds[i] = int(k)
		}
	}
	if len(f.Tags) > 0 {
		nf.Tags = make(nostr.TagMap, len(f.Tags))
		for _, t := range f.Tags {
			nf.Tags[string(t.Name)] = append([]string{}, t.Texts()...)
		}
	}
	if f.Since != 0 {
		since := nostr.Timestamp(f.Since)
		nf.Since = &since
	}
	if f.HasUntil {
		until := nostr.Timestamp(f.Until)
		nf.Until = &until
	}
	return nf
}

// fromKhatruFilter goes through JSON: what a hook has put there is checked
// like what a client sends. JSON leaves out an empty list, which means nothing
// can match, so it is put back; and LimitZero says "no stored events" whatever
// Limit is, as khatru's own policies set it.
func fromKhatruFilter(nf nostr.Filter) (*event.Filter, error) {
	if nf.LimitZero {
		nf.Limit = 0
	}
	b, err := nf.MarshalJSON()
	if err != nil {
		return nil, err
	}
	f, err := event.ParseFilter(b)
	if err != nil {
		return nil, err
	}
	if nf.IDs != nil && f.IDs == nil {
		f.IDs = []event.ID{}
	}
	if nf.Authors != nil && f.Authors == nil {
		f.Authors = []event.PubKey{}
	}
	if nf.Kinds != nil && f.Kinds == nil {
		f.Kinds = []uint16{}
	}
	return f, nil
}

// refusal reads a hook's message: with a known prefix as it is, with another or
// none as `blocked`.
func refusal(msg string) policy.Verdict {
	if prefix, text, ok := strings.Cut(msg, ": "); ok {
		switch r := reason.Reason(prefix); r {
		case reason.Duplicate, reason.PoW, reason.Blocked, reason.RateLimited, reason.Invalid, reason.Restricted,
			reason.Mute, reason.Error, reason.AuthRequired, reason.Unsupported:
			return policy.Refuse(r, text)
		}
	}
	if msg == "" {
		msg = "no reason"
	}
	return policy.Refuse(reason.Blocked, msg)
}
