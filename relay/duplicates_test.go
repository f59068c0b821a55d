package relay_test

import (
	"strings"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
	"moa/relay/relaytest"
	"moa/store/memstore"
)

// forged is the event with a signature that does not hold: its JSON is all that
// a client has that wonders whether the relay stores it.
func forged(t *testing.T, e *event.Event) *event.Event {
	t.Helper()
	f := *e
	f.Sig[0] ^= 1
	f.Raw = f.Append(nil)
	return &f
}

// "duplicate" tells no client that an event is stored that it could not read.
func TestDuplicateTellsOnlyWhatMayBeRead(t *testing.T) {
	wrap := event.Event{Kind: 1059, Tags: tags([]string{"p", bob.Hex()})}
	for _, c := range []struct {
		name   string
		tables []map[string]any
		e      event.Event
		hide   bool
		told   string // of the event with a forged signature
		again  string // of the event as it is; "": OK true
	}{
		{name: "a note", e: event.Event{Kind: 1}, told: "duplicate: "},
		{name: "a gift wrap", e: wrap, told: "invalid: "},
		{
			name: "a members' note", e: event.Event{Kind: 1}, told: "invalid: ",
			tables: []map[string]any{{"use": "readers", "pubkeys": []any{carol.Hex()}}},
		},
		{
			name: "what policies refuse now", e: event.Event{Kind: 1, Content: "again"}, told: "rate-limited: ", again: "rate-limited: ",
			tables: []map[string]any{{"use": "rate", "by": []any{"kind"}, "count": int64(1), "interval": "1h", "exempt_loopback": false}},
		},
		{
			name: "what is hidden", e: event.Event{Kind: 1}, hide: true, told: "invalid: ", again: "blocked: ",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			st := memstore.New()
			var decided policytest.Decided
			chain := buildOn(t, st, c.tables, &decided)
			r := relaytest.Start(t, relaytest.Options{Store: st, Chain: chain})
			client := r.Dial(t)
			e := alice.Sign(t, c.e)
			client.Accepted(t, e)
			if c.hide {
				decided.Rule(e.ID, policy.HiddenEvent)
			}
			if ok := client.Send(t, forged(t, e)); !strings.HasPrefix(ok.Text, c.told) || ok.OK != (c.told == "duplicate: ") {
				t.Errorf("with a forged signature: %v %q, want %q", ok.OK, ok.Text, c.told)
			}
			if ok := client.Send(t, e); ok.OK != (c.again == "") || !strings.HasPrefix(ok.Text, c.again) {
				t.Errorf("again: %v %q, want %q", ok.OK, ok.Text, c.again)
			}
		})
	}
}
