package relay_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/nip86"
	"moa/relay/relaytest"
)

// NIP56.3: a report comes before the moderators with what it says is wrong, in whichever
// of its tags that is said.
func TestNIP56ReportsComeBeforeModerators(t *testing.T) {
	m := manageable(t, stateFile(t), nil)
	c := m.Dial(t)
	want := map[string]string{}
	for n, word := range []string{"nudity", "malware", "profanity", "illegal", "spam", "impersonation", "other"} {
		author := relaytest.NewKey(byte(60 + n))
		note := author.Note(t, "reported for "+word)
		c.Accepted(t, note)
		about := []event.Tag{{"p", author.Hex()}, {"e", note.ID.String()}, {"x", strings.Repeat("ab", 32)}}
		about[n%3] = append(about[n%3], word)
		c.Accepted(t, alice.Sign(t, event.Event{Kind: event.KindReport, Tags: about}))
		want[note.ID.String()] = "reported: " + word + " 1"
	}
	c.Accepted(t, bob.Sign(t, event.Event{Kind: event.KindReport, Tags: []event.Tag{{"p", carol.Hex(), "spam"}}})) // nobody's whom the relay trusts
	var list []nip86.EventReason
	relaytest.Eventually(t, "they are listed", func() bool {
		if err := json.Unmarshal([]byte(m.done(t, warden, "listeventsneedingmoderation")), &list); err != nil {
			t.Fatal(err)
		}
		return len(list) == len(want)
	})
	for _, one := range list {
		if one.Reason != want[one.ID.String()] {
			t.Errorf("%s: %q, want %q", one.ID, one.Reason, want[one.ID.String()])
		}
	}
	if got := fmt.Sprint(len(c.Query(t, `{"kinds":[1984]}`))); got != "8" {
		t.Errorf("%s reports are served: they are events like others", got)
	}
}
