package relay_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/relay/relaytest"
	"moa/store"
)

// clientFilters are filters that real applications have sent, on a day in
// November 2026.
func clientFilters(t *testing.T) (filters []string) {
	t.Helper()
	text, err := os.ReadFile("testdata/client-filters.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	for line := range bytes.Lines(text) {
		var one struct{ Filter json.RawMessage }
		if err := json.Unmarshal(line, &one); err != nil {
			t.Fatal(err)
		}
		filters = append(filters, string(one.Filter))
	}
	return filters
}

// storeRealEvents commits the real events as a relay of old would hold them.
func storeRealEvents(t *testing.T, st store.Store) {
	t.Helper()
	f, err := os.Open("../nips/event/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var batch []*event.Event
	lines := bufio.NewScanner(f)
	for lines.Buffer(nil, 1<<20); lines.Scan(); {
		e, err := event.Parse(bytes.Clone(lines.Bytes()))
		if err != nil || event.Ephemeral(e.Kind) {
			continue
		}
		batch = append(batch, e)
	}
	if _, err := st.Commit(t.Context(), 0, batch); err != nil {
		t.Fatal(err)
	}
}

// TestFiltersOfRealApplications has each filter answered, and by the store on
// disk as by the one in memory. What is refused is refused for its reason.
func TestFiltersOfRealApplications(t *testing.T) {
	answers := map[string][]string{} // by store
	for name, open := range stores {
		st := open(t)
		storeRealEvents(t, st)
		r := relaytest.Start(t, relaytest.Options{Store: st})
		c := r.Dial(t)
		found := 0
		for _, filter := range clientFilters(t) {
			ids, closed := answerTo(t, c, filter)
			if closed != "" && !refusable(t, filter, closed) {
				t.Errorf("%s: %.200s: CLOSED %s", name, filter, closed)
			}
			found += strings.Count(ids, " ")
			answers[name] = append(answers[name], ids+closed)
		}
		if found < 500 {
			t.Errorf("%s: only %d events were found", name, found)
		}
	}
	for i, filter := range clientFilters(t) {
		if disk, memory := answers["badger"][i], answers["memory"][i]; disk != memory {
			t.Errorf("%.200s:\non disk   %.300s\nin memory %.300s", filter, disk, memory)
		}
	}
}

// refusable says what filters are not answered, and how: for messages, and nothing
// besides, one must authenticate; a search needs an index of words; and a relay's
// cache of its own is not in the protocol.
func refusable(t *testing.T, filter, closed string) bool {
	t.Helper()
	f, err := event.ParseFilter([]byte(filter))
	messages := err == nil && len(f.Kinds) > 0 && !slices.ContainsFunc(f.Kinds, func(kind uint16) bool {
		return !slices.Contains([]uint16{4, 13, 14, 15, 1059, 1060, 21059}, kind)
	})
	switch {
	case strings.Contains(filter, `"search"`):
		return strings.HasPrefix(closed, "unsupported: ")
	case strings.Contains(filter, `"cache"`):
		return strings.HasPrefix(closed, "unsupported: ") || strings.HasPrefix(closed, "invalid: ")
	}
	return messages && strings.HasPrefix(closed, "auth-required: ")
}

// answerTo asks, and returns the ids found, in order, or why not.
func answerTo(t *testing.T, c *relaytest.Client, filter string) (ids, closed string) {
	t.Helper()
	c.Say(t, `["REQ","q",%s]`, filter)
	defer c.Say(t, `["CLOSE","q"]`)
	for {
		r, err := wire.ParseReply([]byte(c.Next(t)))
		if err != nil {
			t.Fatal(err)
		}
		switch r.Verb {
		case wire.Event:
			e, err := event.Parse(bytes.Clone(r.Event))
			if err != nil {
				t.Fatal(err)
			}
			ids += e.ID.String()[:8] + " "
		case wire.EOSE:
			return ids, ""
		case wire.Closed:
			return ids, r.Text
		}
	}
}
