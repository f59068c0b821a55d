package relay_test

import (
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
)

func TestNIP70ProtectedEvents(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	reader := r.Dial(t)
	reader.Stored(t, "all", `{}`)
	for _, mark := range []event.Tag{{"-"}, {"-", "x"}} {
		c := r.Dial(t)
		e := alice.Note(t, mark.Value(), mark)
		c.Publish(t, e)
		challenge := c.Hear(t, wire.Auth).Text
		if ok := c.HearOK(t, e.ID.String()); ok.OK || ok.Reason() != "auth-required" {
			t.Errorf("NIP70.1: %v %q", ok.OK, ok.Text)
		}
		c.Authenticate(t, bob, challenge)
		c.Refused(t, e, "restricted: ")
		c.Authenticate(t, alice, challenge)
		c.Accepted(t, e)
		sameIDs(t, "NIP70.1", []*event.Event{reader.Event(t, "all")}, e)

		for _, kind := range []uint16{6, 16} {
			c.Refused(t, bob.Sign(t, event.Event{Kind: kind, Content: string(e.Raw)}), "blocked: ") // NIP70.3
			c.Refused(t, bob.Sign(t, event.Event{Kind: kind, Content: `{"tags": [ [ "-" ] ]}`}), "blocked: ")
			c.Accepted(t, bob.Sign(t, event.Event{Kind: kind, Content: string(bob.Note(t, `text of ["-"]`+mark.Value()).Raw)}))
			reader.Event(t, "all")
		}
		reader.Quiet(t)
	}
}

// NIP70.1: of several people who have authenticated on a connection one must be
// the author; a `-` elsewhere than in a tag's name protects nothing (NIP70.2).
func TestNIP70TheAuthorAmongOthers(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	c.Accepted(t, alice.Note(t, "-", event.Tag{"t", "-"}), alice.Note(t, `["-"]`, event.Tag{"--"}))
	challenge := c.Challenge(t)
	c.Authenticate(t, bob, challenge)
	c.Authenticate(t, alice, challenge)
	c.Authenticate(t, carol, challenge)
	mark := event.Tag{"-"}
	c.Accepted(t, alice.Note(t, "1", mark), bob.Note(t, "2", event.Tag{"t", "x"}, mark), carol.Sign(t, event.Event{Kind: 20000, Tags: tags(mark)}))
	c.Refused(t, relaytest.NewKey(9).Note(t, "3", mark), "restricted: ")
}
