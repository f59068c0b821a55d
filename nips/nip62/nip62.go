// Package nip62 reads requests to vanish.
package nip62

import (
	"errors"

	"moa/nips/event"
	"moa/nips/relayurl"
)

// AllRelays is the relay tag's value that means every relay there is.
const AllRelays = "ALL_RELAYS"

// ErrNoRelay says that a request to vanish lacks the tag it must have.
var ErrNoRelay = errors.New("a request to vanish needs a relay tag")

// Addressed reports whether a kind 62 asks this relay, whose URLs ours reports,
// to delete everything of its author that is not newer than the request. Its
// error is ErrNoRelay.
func Addressed(e *event.Event, ours func(relayurl.Location) bool) (bool, error) {
	found := false
	for _, t := range e.Tags {
		if t[0] != "relay" {
			continue
		}
		found = true
		if t.Value() == AllRelays {
			return true, nil
		}
		if there, err := relayurl.Parse(t.Value()); err == nil && ours(there) {
			return true, nil
		}
	}
	if !found {
		return false, ErrNoRelay
	}
	return false, nil
}
