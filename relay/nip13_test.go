package relay_test

import (
	"fmt"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/nip13"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay/relaytest"
)

// mined signs a note whose id has exactly so many zero bits, and that commits to
// a target; -1: it has no nonce.
func mined(t *testing.T, k relaytest.Key, bits, target int) *event.Event {
	t.Helper()
	for i := range 1 << 22 {
		e := event.Event{Kind: 1, CreatedAt: 1000, PubKey: k.PubKey, Content: fmt.Sprint(i)}
		if target >= 0 {
			e.Tags = tags([]string{"nonce", fmt.Sprint(i), fmt.Sprint(target)})
		}
		if nip13.Difficulty(event.ComputeID(&e)) == bits {
			return k.Sign(t, e)
		}
	}
	t.Fatal("no luck")
	return nil
}

func TestNIP13ProofOfWork(t *testing.T) {
	for _, commitment := range []bool{true, false} {
		chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{{"use": "pow", "bits": int64(9), "commitment": commitment}})
		if len(faults) > 0 {
			t.Fatal(faults)
		}
		r := relaytest.Start(t, relaytest.Options{Chain: chain})
		doc := document(t, r)
		if n := doc["limitation"].(map[string]any)["min_pow_difficulty"]; n != 9.0 { // NIP11.4
			t.Errorf("min_pow_difficulty is %v", n)
		}
		if !strings.Contains(fmt.Sprint(doc["supported_nips"]), " 13 ") {
			t.Errorf("NIP-13 is not announced: %v", doc["supported_nips"])
		}
		c := r.Dial(t)
		c.Accepted(t, mined(t, alice, 9, 9), mined(t, bob, 11, 9), mined(t, carol, 11, 12)) // NIP13.1: equality passes
		for name, e := range map[string]*event.Event{
			"NIP13.1 a bit less":        mined(t, alice, 8, 9),
			"NIP13.3 no whole nibble":   mined(t, alice, 7, 9),
			"NIP13.1 no work":           mined(t, alice, 0, 9),
			"NIP13.1 none, no nonce":    mined(t, alice, 0, -1),
			"NIP13.2 committed to less": mined(t, alice, 9, 8),
		} {
			if name == "NIP13.2 committed to less" && !commitment {
				continue
			}
			if ok := c.Send(t, e); ok.OK || ok.Reason() != "pow" || !strings.Contains(ok.Text, "9") {
				t.Errorf("%s: %v %q", name, ok.OK, ok.Text)
			}
		}
		lucky := mined(t, alice, 10, -1)
		if commitment {
			c.Refused(t, lucky, "pow: ") // NIP13.2
		} else {
			c.Accepted(t, lucky)
		}
		c.Accepted(t, deletion(t, alice, 0, eTag(lucky))) // an author that has published may delete
	}
}
