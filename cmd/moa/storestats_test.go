package main

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/relaytest"
	"moa/store/census"
)

// statsOf is what `moa store stats` says.
func statsOf(t *testing.T, data string) (r census.Report) {
	t.Helper()
	out, _ := good(t, "store", "stats", "--json", "--data", data)
	mustDo(t, json.Unmarshal([]byte(out), &r))
	return r
}

// checkStats holds a report against the exported lines of the same store.
func checkStats(t *testing.T, r census.Report, lines string) {
	t.Helper()
	var all census.Amount
	kinds, authors := map[uint16]census.Amount{}, map[event.PubKey]census.Amount{}
	for line := range strings.Lines(lines) {
		e, err := event.Parse([]byte(strings.TrimSpace(line)))
		mustDo(t, err)
		grow := func(a census.Amount) census.Amount {
			return census.Amount{Events: a.Events + 1, Bytes: a.Bytes + int64(len(e.Raw))}
		}
		all, kinds[e.Kind], authors[e.PubKey] = grow(all), grow(kinds[e.Kind]), grow(authors[e.PubKey])
	}
	if r.Amount != all || len(r.Kinds) != len(kinds) || r.AuthorsSeen != len(authors) || len(r.Authors) != len(authors) || r.Disk == 0 || r.At.IsZero() {
		t.Errorf("%+v, want %v", r, all)
	}
	for _, k := range r.Kinds {
		if k.Amount != kinds[k.Kind] {
			t.Errorf("kind %d: %v, want %v", k.Kind, k.Amount, kinds[k.Kind])
		}
	}
	for _, a := range r.Authors {
		if a.Amount != authors[a.PubKey] || a.Missed != 0 {
			t.Errorf("%s: %v, want %v", a.PubKey, a, authors[a.PubKey])
		}
	}
}

// What is stored is counted while a relay runs, once an hour, and when it has stopped.
func TestStoreStats(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data)
	mixedLoad(t, s.URL, 0, 100)
	c := relaytest.Dial(t, s.URL)
	for i := range 5 {
		c.Accepted(t, relaytest.NewKey(byte(10+i)).Note(t, "hello"))
	}
	hidden := relaytest.NewKey(20).Note(t, "hidden, and stored")
	c.Accepted(t, hidden)
	good(t, "moderation", "hide", "--data", data, hidden.ID.String())
	lines, _ := good(t, "export", "--all", "--data", data)
	first := statsOf(t, data)
	checkStats(t, first, lines)
	mixedLoad(t, s.URL, 1000, 10)
	if again := statsOf(t, data); !again.At.Equal(first.At) || again.Events != first.Events {
		t.Errorf("counted again: %v, and before %v", again.At, first.At)
	}
	s.stop(t)
	second := statsOf(t, data)
	checkStats(t, second, exported(t, data))
	if second.Events <= first.Events {
		t.Errorf("%d events, and before %d", second.Events, first.Events)
	}
	out, _ := good(t, "store", "stats", "--top", "2", "--days", "1", "--data", data)
	for _, want := range []string{"counted at 20", " events, ", " on the disk", "365 days", "others", nip19.Npub(relaytest.NewKey(1).PubKey), "2023-11-1", "7 authors"} {
		if want == "2023-11-1" { // of long ago
			if strings.Contains(out, want) {
				t.Errorf("a day beyond a year back is shown:\n%s", out)
			}
		} else if !strings.Contains(out, want) {
			t.Errorf("it does not say %q:\n%s", want, out)
		}
	}
	if n := strings.Count(out, "npub1"); n != 2 {
		t.Errorf("%d authors are shown:\n%s", n, out)
	}
	for _, args := range [][]string{{"--top", "0"}, {"--days", "-1"}, {"more"}} {
		if _, stderr, code := run(t, "", slices.Concat([]string{"store", "stats", "--data", data}, args)...); code != 2 {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	if _, stderr, code := run(t, "", "store", "stats", "--data", t.TempDir()); code != 2 || !strings.Contains(stderr, "there is no store") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
}
