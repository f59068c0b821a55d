package relay_test

import (
	"fmt"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/relay"
	"moa/relay/relaytest"
)

// A relay whose event_tags allows more tags than its store can index refuses
// such an event alone, and stores what arrived with it.
func TestEventOfMoreTagsThanTheStoreIndexesIsRefusedAlone(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Store: openBadger(t, t.TempDir()), Config: func(c *relay.Config) {
		c.Limits.EventTags, c.Limits.MessageBytes = 50_000, 1<<20
	}})
	c := r.Dial(t)
	var many []event.Tag
	for i := range 40_000 {
		many = append(many, event.Tag{"t", fmt.Sprint(i)})
	}
	before, huge, after := alice.Note(t, "before"), alice.Note(t, "", many...), alice.Note(t, "after")
	for _, e := range []*event.Event{before, huge, after} {
		c.Publish(t, e)
	}
	for _, e := range []*event.Event{before, huge, after} {
		if ok := c.HearOK(t, e.ID.String()); ok.OK != (e != huge) || !ok.OK && ok.Reason() != reason.Invalid {
			t.Errorf("%s: %+v", e.Content, ok)
		}
	}
}
