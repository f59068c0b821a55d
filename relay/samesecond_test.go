package relay_test

import (
	"fmt"
	"testing"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
)

// TestPagesComePastASecondWithManyEvents goes back page by page, as clients do,
// over a second that has more events than a page: by one filter, and by several at
// once, as applications ask that show several feeds.
func TestPagesComePastASecondWithManyEvents(t *testing.T) {
	for name, open := range stores {
		for what, filters := range map[string][]string{
			"one filter":                 {`"kinds":[1]`},
			"filters that share events":  {`"kinds":[1]`, `"authors":["` + alice.Hex() + `"]`},
			"filters that share nothing": {`"#t":["a"]`, `"#t":["b"]`, `"#t":["c"]`},
		} {
			t.Run(name+", "+what, func(t *testing.T) {
				r := relaytest.Start(t, relaytest.Options{Store: open(t), Config: func(c *relay.Config) {
					c.Limits.DefaultLimit, c.Limits.Limit = 5, 45
				}})
				c := r.Dial(t)
				want := map[event.ID]bool{}
				for i := range 60 { // one second has 50
					at := int64(1000 + i)
					if i >= 5 && i < 55 {
						at = 1005
					}
					e := alice.Sign(t, event.Event{Kind: 1, CreatedAt: at, Tags: tags([]string{"t", "abc"[i%3 : i%3+1]}, []string{"n", fmt.Sprint(i)})})
					c.Accepted(t, e)
					want[e.ID] = true
				}
				for until := int64(2000); ; {
					page := ask(t, c, until, 5, filters)
					for _, e := range page {
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
				if page := ask(t, c, 1005, 1, filters); len(page) > len(filters) {
					t.Errorf("a limit of 1 finds %d", len(page))
				}
				if page := ask(t, c, 1006, 5, filters); len(page) > 5*len(filters) {
					t.Errorf("a page of several seconds has %d events", len(page))
				}
				cfg := relaytest.Config()
				cfg.Limits.DefaultLimit, cfg.Limits.Limit = 5, 20
				if err := r.Server.Reload(cfg, nil); err != nil {
					t.Fatal(err)
				}
				if page := ask(t, c, 1005, 5, filters); len(page) < 25 || len(page) > 5*len(filters)+20 {
					t.Errorf("a page of one second has %d events", len(page))
				}
			})
		}
	}
}

// What is remembered of a page of several filters is charged with them.
func TestPagesOfSeveralFiltersAreCharged(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.Limits.Limit = 500 })
	held := func(filters ...string) (n float64) {
		c := r.Dial(t)
		c.Stored(t, "x", filters...)
		n = held(t, r, "filters")
		c.Close()
		relaytest.Eventually(t, "nothing is held", func() bool { return r.Metric(t, "moa_bounds_held", "of", "filters") == 0 })
		return n
	}
	const page, other = `{"kinds":[1],"until":1000,"limit":300}`, `{"kinds":[1],"until":1001,"limit":300}`
	if tied, not := held(page, page), held(page, other); tied < not+2*300*8 {
		t.Errorf("%v bytes are held, and %v of filters that remember nothing", tied, not)
	}
}

// ask asks for a page, in which each event comes once.
func ask(t *testing.T, c *relaytest.Client, until int64, limit int, filters []string) []*event.Event {
	t.Helper()
	list := make([]string, len(filters))
	for i, f := range filters {
		list[i] = fmt.Sprintf(`{%s,"until":%d,"limit":%d}`, f, until, limit)
	}
	page, seen := c.Query(t, list...), map[event.ID]bool{}
	for _, e := range page {
		if seen[e.ID] {
			t.Errorf("event %s comes twice in a page", e.ID)
		}
		seen[e.ID] = true
	}
	return page
}
