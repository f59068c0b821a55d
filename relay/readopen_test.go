package relay_test

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"moa/nips/wire"
	"moa/relay/relaytest"
)

// earlier is a viewer with what was asked before a decision.
type earlier struct {
	viewer
	*relaytest.Client
	syncs bool // a sync is open
}

// opens asks for all that may be open.
func (m *matrix) opens(t *testing.T, v viewer) *earlier {
	t.Helper()
	r := &earlier{viewer: v, Client: m.connect(t, v)}
	for id, filter := range map[string]string{
		"person":  `{"#p":["` + bob.Hex() + `"],"limit":0}`,
		"kinds":   fmt.Sprintf(`{"kinds":[%d,%d],"limit":0}`, m.stored, m.fleets),
		"authors": `{"authors":["` + authors[0].Hex() + `","` + authors[1].Hex() + `","` + authors[2].Hex() + `"],"limit":0}`,
		"region":  `{"#g":["u3*"],"limit":0}`,
		"all":     `{"limit":0}`,
	} {
		answers(t, r.Client, `["REQ","`+id+`",`+filter+`]`, wire.EOSE, wire.Closed)
	}
	opened := answers(t, r.Client, fmt.Sprintf(`["NEG-OPEN","n",{"kinds":[%d]},"61"]`, m.stored), wire.NegMsg, wire.NegErr)
	r.syncs = strings.HasPrefix(opened[len(opened)-1], `["NEG-MSG"`)
	return r
}

// hears returns all that has come so far.
func (r *earlier) hears(t *testing.T) string {
	t.Helper()
	return strings.Join(answers(t, r.Client, `["NONE"]`, wire.Notice), "\n")
}

// What a decision changes, it changes at once, for those, too, that have asked before:
// their subscriptions go silent, or come alive.
func TestEveryDecisionActsOnWhatIsOpen(t *testing.T) {
	for _, rule := range readRules {
		if rule.after == nil {
			continue
		}
		t.Run(rule.name, func(t *testing.T) {
			m := startMatrix(t, &rule)
			m.write(t, rule.stored)
			m.write(t, rule.fleets)
			var readers []*earlier
			for _, v := range append(slices.Clone(rule.sees), rule.blind...) {
				readers = append(readers, m.opens(t, v))
			}
			m.write(t, rule.stored)
			m.write(t, rule.fleets)
			for _, r := range readers {
				if saw := m.leaks(r.hears(t)); saw != slices.Contains(rule.saw, r.viewer) {
					t.Errorf("before, live of %s: %v", r.name, saw)
				}
			}
			m.pagesShow(t, rule.saw)
			rule.after(t, m)
			m.pagesShow(t, rule.sees)
			next := rule.next
			if next == nil {
				next = rule.sees
			}
			if !rule.again {
				m.comesAgain(t)
			}
			old := m.written
			m.written = nil
			accepted := m.tryWrite(t, rule.stored) + m.tryWrite(t, rule.fleets)
			for _, r := range readers {
				heard := r.hears(t)
				if m.leaks(heard) != (accepted > 0 && slices.Contains(next, r.viewer)) {
					t.Errorf("live of %s, %d accepted: %.500s", r.name, accepted, heard)
				}
				was := &matrix{written: old}
				if was.leaks(heard) {
					t.Errorf("what was there before came again to %s: %.500s", r.name, heard)
				}
				if r.syncs && !rule.keeps && !slices.Contains(rule.sees, r.viewer) {
					all := answers(t, r.Client, `["NEG-MSG","n","6100000200"]`, wire.NegMsg, wire.NegErr)
					if was.leaks(all[len(all)-1]) {
						t.Errorf("a sync that was open shows %s the events", r.name)
					}
				}
			}
		})
	}
}

// pagesShow holds the ways by HTTP, which nobody in particular asks, to what those see:
// no answer is kept beyond a decision, here or by a cache that others ask, too.
func (m *matrix) pagesShow(t *testing.T, seen []viewer) {
	t.Helper()
	may := slices.Contains(seen, unauthenticated)
	for _, way := range readWays {
		if !way.http {
			continue
		}
		if got := way.sees(t, m, unauthenticated, nil); got != may && (got || !way.less) {
			t.Errorf("%s of %s: %v", way.name, unauthenticated.name, got)
		}
	}
	for _, path := range []string{"/", "/geo/events?near=52.5,13.4&km=300"} {
		resp, _ := get(t, m.Relay, http.MethodGet, path)
		if kept := resp.Header.Get("Cache-Control"); !strings.HasPrefix(kept, "no-") && !strings.HasPrefix(kept, "private") {
			t.Errorf("others may be shown %s again: %q", path, kept)
		}
	}
}

// comesAgain has what was written come again: none of it is new.
func (m *matrix) comesAgain(t *testing.T) {
	t.Helper()
	w := m.Dial(t)
	defer w.Close()
	for _, e := range m.written {
		if e.Kind != m.stored {
			continue
		}
		if r := w.Send(t, e); r.OK && !strings.HasPrefix(r.Text, "duplicate: ") {
			t.Errorf("%q is taken again", e.Content)
		}
	}
}
