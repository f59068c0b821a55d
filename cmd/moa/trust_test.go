package main

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/relay/relaytest"
)

// trustPeople is how many people this file's web of trust has, with ten follows
// each. A large one takes two minutes:
//
//	MOA_TRUST_PEOPLE=100000 go test ./cmd/moa -run TestTrustRefreshes -v
func trustPeople() int {
	if n, err := strconv.Atoi(os.Getenv("MOA_TRUST_PEOPLE")); err == nil {
		return n
	}
	return 3000
}

const followsEach = 10

// TestTrustRefreshesBesideTheTraffic writes and reads, each by one client that
// waits for every answer, while a web of trust is walked again and again, and
// while it is not, by turns on one relay. It prints both latencies. With
// MOA_TRUST_PEOPLE it fails if refreshing makes them another order of magnitude.
func TestTrustRefreshesBesideTheTraffic(t *testing.T) {
	people := trustPeople()
	root := relaytest.NewKey(1)
	data := filepath.Join(t.TempDir(), "data")
	storeFollows(t, data, root, people)
	s := &reloading{path: writeConfig(t, "")}
	s.server = serveIn(t, data, "--config", s.path, "--log.level", "debug")
	config := func(refresh string) string {
		return "[[policy]]\nuse = \"allow\"\npubkeys = [\"" + root.Hex() + "\"]\ntrust = { roots = [\"" + root.Hex() + "\"], depth = 5 }\nrefresh = \"" + refresh + "\"\n"
	}
	span := 1200 * time.Millisecond
	if people > 10_000 {
		span = 25 * time.Second
	}
	var still, busy latencies
	for turn := range 4 {
		name, refresh, into := fmt.Sprint("still ", turn), "1h", &still
		if turn%2 == 1 {
			name, refresh, into = fmt.Sprint("busy ", turn), "1s", &busy
		}
		s.rewrite(t, name, config(refresh))
		s.inForce(t, name)
		measure(t, s.URL, root, span, into)
		if turn%2 == 1 {
			relaytest.Eventually(t, "the web of trust is read again", func() bool { return refreshed(s) > 0 })
		}
	}
	t.Logf("%d people, %d follows, refreshed %d times; peak memory of the relay %s", people, people*followsEach, refreshed(s), peakMemory(s.cmd.Process.Pid))
	t.Logf("not refreshing: %s", &still)
	t.Logf("refreshing:     %s", &busy)
	for what, pair := range map[string][2][]time.Duration{"writing": {still.writes, busy.writes}, "reading": {still.reads, busy.reads}} {
		if was, is := quantile(pair[0], 0.99), quantile(pair[1], 0.99); os.Getenv("MOA_TRUST_PEOPLE") != "" && is > 10*was+100*time.Millisecond {
			t.Errorf("p99 of %s: %v while it is refreshed, %v otherwise", what, is, was)
		}
	}
	if entry := s.logged("a list of people was read"); entry == nil || int(entry["people"].(float64)) < people/2 {
		t.Errorf("the web of trust was read as %v; the log:\n%s", entry, s.lines())
	}
}

// refreshed is how often the web of trust was read again.
func refreshed(s *reloading) int { return strings.Count(s.lines(), "a list of people was read again") }

// storeFollows writes the follow lists: the root follows the first hundred, and
// everybody ten others.
func storeFollows(t *testing.T, data string, root relaytest.Key, people int) {
	t.Helper()
	cfg := config.Default()
	cfg.Data, cfg.Store.Sync = data, false
	st, err := openStore(&cfg, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	person := func(i int) (pk event.PubKey) {
		binary.BigEndian.PutUint64(pk[8:], uint64(i)*0x9e3779b97f4a7c15)
		binary.BigEndian.PutUint64(pk[:], uint64(i))
		return pk
	}
	list := func(of event.PubKey, whom func(n int) int, n int) *event.Event {
		e := event.Event{PubKey: of, Kind: event.KindFollows, CreatedAt: 1_700_000_000}
		for k := range n {
			e.Tags = append(e.Tags, event.Tag{"p", person(whom(k)).String()})
		}
		e.ID = event.ComputeID(&e)
		e.Raw = e.Append(nil)
		return &e
	}
	rnd := rand.New(rand.NewPCG(1, 2))
	batch := []*event.Event{list(root.PubKey, func(n int) int { return n }, min(100, people))}
	for i := range people {
		batch = append(batch, list(person(i), func(int) int { return rnd.IntN(people) }, followsEach))
		if len(batch) < 500 && i < people-1 {
			continue
		}
		if _, err := st.Commit(t.Context(), 1_700_000_000, batch); err != nil {
			t.Fatal(err)
		}
		batch = batch[:0]
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
}

// latencies are how long answers took.
type latencies struct{ writes, reads []time.Duration }

func (l *latencies) String() string {
	show := func(d []time.Duration) string {
		return fmt.Sprintf("p50 %.2f, p99 %.2f, max %.2f ms (%d)", ms(quantile(d, 0.5)), ms(quantile(d, 0.99)), ms(quantile(d, 1)), len(d))
	}
	return "OK " + show(l.writes) + "; EOSE " + show(l.reads)
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func quantile(d []time.Duration, q float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(d))
	return sorted[min(len(sorted)-1, int(q*float64(len(sorted))))]
}

// measure adds to into what one writer and one reader wait for, each every few
// milliseconds, for so long.
func measure(t *testing.T, url string, writer relaytest.Key, span time.Duration, into *latencies) {
	t.Helper()
	w, r := relaytest.Dial(t, url), relaytest.Dial(t, url)
	defer w.Close()
	defer r.Close()
	var both sync.WaitGroup
	until := time.Now().Add(span)
	both.Go(func() {
		for n := 0; time.Now().Before(until); n++ {
			e := writer.Note(t, fmt.Sprint("note ", n, " of ", until))
			start := time.Now()
			w.Accepted(t, e)
			into.writes = append(into.writes, time.Since(start))
			time.Sleep(2 * time.Millisecond)
		}
	})
	both.Go(func() {
		for time.Now().Before(until) {
			start := time.Now()
			r.Query(t, `{"kinds":[1],"limit":20}`)
			into.reads = append(into.reads, time.Since(start))
			time.Sleep(2 * time.Millisecond)
		}
	})
	both.Wait()
}

// peakMemory is the most memory that a process has had resident, where the
// system tells.
func peakMemory(pid int) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range bytes.Lines(text) {
		if peak, ok := bytes.CutPrefix(line, []byte("VmHWM:")); ok {
			return strings.TrimSpace(string(peak))
		}
	}
	return "unknown"
}
