package relay_test

import (
	"fmt"
	"testing"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
)

// TestPagesComePastASecondWithManyEvents goes back page by page, as clients do,
// over a second that has more events than a page.
func TestPagesComePastASecondWithManyEvents(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.Options{Store: open(t), Config: func(c *relay.Config) {
				c.Limits.DefaultLimit, c.Limits.Limit = 5, 20
			}})
			c := r.Dial(t)
			want := map[event.ID]bool{}
			for i := range 30 { // one second has 20
				at := int64(1000 + i)
				if i >= 5 && i < 25 {
					at = 1005
				}
				e := alice.Sign(t, event.Event{Kind: 1, CreatedAt: at, Content: fmt.Sprint(i)})
				c.Accepted(t, e)
				want[e.ID] = true
			}
			for until := int64(2000); ; {
				page := c.Query(t, fmt.Sprintf(`{"kinds":[1],"until":%d,"limit":5}`, until))
				seen := map[event.ID]bool{}
				for _, e := range page {
					if seen[e.ID] {
						t.Errorf("event %s comes twice in a page", e.ID)
					}
					seen[e.ID] = true
					delete(want, e.ID)
				}
				if len(page) == 0 {
					break
				}
				oldest := page[len(page)-1].CreatedAt
				if len(page) >= 5 && oldest == until { // what a client makes of a page of one second
					oldest--
				}
				if len(page) < 5 && oldest == until {
					break
				}
				until = oldest
			}
			if len(want) > 0 {
				t.Errorf("%d events were never sent", len(want))
			}
			if page := c.Query(t, `{"kinds":[1],"until":1005,"limit":1}`); len(page) != 1 {
				t.Errorf("a limit of 1 finds %d", len(page))
			}
			if page := c.Query(t, `{"kinds":[1],"until":1006,"limit":5}`); len(page) > 5 {
				t.Errorf("a page of several seconds has %d events", len(page))
			}
		})
	}
}
