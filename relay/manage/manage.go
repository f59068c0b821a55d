// Package manage is the management API (NIP-86) as a door to package desk: it says which
// decision each call is. How a call comes and who makes it, others know.
package manage

import (
	"context"
	"errors"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/nips/nip86"
	"moa/relay/desk"
	"moa/store/state"
)

// Name is that of the door in the audit log.
const Name = "nip86"

// Door is safe for concurrent use.
type Door struct {
	Desk *desk.Desk
	// Rank is what somebody may decide.
	Rank func(event.PubKey) desk.Rank
	// Kinds are those that the configuration accepts, nil for all, and those that it
	// refuses.
	Kinds func() (accepted, refused []uint16)
}

// Known reports whether somebody may call anything.
func (d *Door) Known(pk event.PubKey) bool { return d.Rank(pk) != desk.Nobody }

// CallSigned makes a call that somebody has signed by e. A change is made once for each
// event, also if the relay was started again in between.
func (d *Door) CallSigned(ctx context.Context, e *event.Event, c *nip86.Call) (result any, err error) {
	rank := d.Rank(e.PubKey)
	if err := may(rank, c); err != nil {
		return nil, err
	}
	if !c.Reads {
		if err := d.Desk.State().UseOnce(ctx, e.ID, e.CreatedAt); err != nil {
			return nil, faultOf(err)
		}
	}
	return d.Call(ctx, state.Actor{Key: e.PubKey, Door: Name}, rank, c)
}

// Call makes a call. An *nip86.Error is for the caller.
func (d *Door) Call(ctx context.Context, by state.Actor, rank desk.Rank, c *nip86.Call) (result any, err error) {
	if err := may(rank, c); err != nil {
		return nil, err
	}
	if c.Name == nip86.SupportedMethods {
		return supported(rank), nil
	}
	result, err = actions[c.Name].do(ctx, d, by, c)
	return result, faultOf(err)
}

func may(rank desk.Rank, c *nip86.Call) error {
	if c.Name == nip86.SupportedMethods && rank != desk.Nobody {
		return nil
	}
	a, ok := actions[c.Name]
	switch {
	case !ok:
		return &nip86.Error{Text: "this relay does not have the method " + c.Name}
	case !rank.May(a.right), c.Options.Erase && !rank.May(desk.Erasing):
		return &nip86.Error{Fault: nip86.Forbidden, Text: "an administrator may do this, you may not"}
	}
	return nil
}

// faultOf tells what the caller can mend from what the relay could not do.
func faultOf(err error) error {
	switch {
	case errors.Is(err, state.ErrUsed):
		return &nip86.Error{Fault: nip86.UsedBefore, Text: err.Error()}
	case errors.Is(err, state.ErrRequest):
		return &nip86.Error{Text: err.Error()}
	}
	return err
}

// supported are all the other methods that somebody may call.
func supported(rank desk.Rank) []string {
	names := []string{}
	for _, m := range nip86.Methods() {
		if a, ok := actions[m.Name]; ok && rank.May(a.right) {
			names = append(names, m.Name)
		}
	}
	return names
}

// page is a part of a sorted list: so many entries behind one, of which key is what the
// caller knows it by.
func page[T any](list []T, o nip86.Options, key func(T) string) []T {
	if o.After != "" {
		at, found := slices.BinarySearchFunc(list, o.After, func(one T, after string) int { return strings.Compare(key(one), after) })
		if found {
			at++
		}
		list = list[at:]
	}
	return slices.Clip(list[:min(o.Limit, len(list))])
}
