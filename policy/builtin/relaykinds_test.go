package builtin

import (
	"testing"

	"moa/nips/event"
	"moa/policy"
)

func TestOnlyTheRelaySpeaksOfItself(t *testing.T) {
	self, other := event.PubKey{1}, event.PubKey{2}
	for _, c := range []struct {
		name   string
		env    policy.Env
		by     event.PubKey
		kind   uint16
		accept bool
	}{
		{"members by the relay", policy.Env{Self: func() event.PubKey { return self }}, self, 13534, true},
		{"members by others", policy.Env{Self: func() event.PubKey { return self }}, other, 13534, false},
		{"groups where the relay has no key", policy.Env{}, other, 39000, false},
		{"the last of the groups' kinds", policy.Env{}, other, 39005, false},
		{"beyond them", policy.Env{}, other, 39006, true},
		{"a request to join", policy.Env{}, other, 28934, false},
		{"a request to join a group", policy.Env{}, other, 9021, false},
		{"a note", policy.Env{}, other, 1, true},
	} {
		env := c.env.Filled()
		p := newRelayKinds(&env, relayKindsDefaults, nil)
		if v := p.Event(t.Context(), nil, &event.Event{PubKey: c.by, Kind: c.kind}); (v.Action == policy.Accept) != c.accept {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}
