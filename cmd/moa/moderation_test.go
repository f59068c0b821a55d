package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/nips/wire"
	"moa/policy/moderation"
	"moa/relay/relaytest"
)

// moderatedRelay is a relay whose keys 1 to 3 are trusted reporters.
type moderatedRelay struct {
	*server
	data, config string
}

func serveModerated(t *testing.T, more string) *moderatedRelay {
	t.Helper()
	table := "[[policy]]\nuse = \"moderation\"\n" + more + "reporters = { pubkeys = ["
	for n := range byte(3) {
		table += "\"" + relaytest.NewKey(1+n).Hex() + "\", "
	}
	config := writeConfig(t, table+"] }\n")
	m := &moderatedRelay{data: filepath.Join(t.TempDir(), "data"), config: config}
	m.server = serveIn(t, m.data, "--config", config)
	return m
}

// again kills the relay and starts it again.
func (m *moderatedRelay) again(t *testing.T) {
	t.Helper()
	m.Kill()
	m.server = serveIn(t, m.data, "--config", m.config)
}

// do runs `moa moderation args...`, which must succeed.
func (m *moderatedRelay) do(t *testing.T, args ...string) string {
	t.Helper()
	stdout, _ := good(t, append([]string{"moderation", args[0], "--config", m.config, "--data", m.data}, args[1:]...)...)
	return stdout
}

// open are the open cases, once there are so many of them.
func (m *moderatedRelay) open(t *testing.T, n int) (cases []moderation.Case) {
	t.Helper()
	relaytest.Eventually(t, fmt.Sprint(n, " cases"), func() bool {
		if err := json.Unmarshal([]byte(m.do(t, "list", "--json")), &cases); err != nil {
			t.Fatal(err)
		}
		return len(cases) == n
	})
	return cases
}

func reportOf(t *testing.T, by, about relaytest.Key, what string, e *event.Event) *event.Event {
	t.Helper()
	tags := []event.Tag{{"p", about.Hex(), what}}
	if e != nil {
		tags = append(tags, event.Tag{"e", e.ID.String(), what})
	}
	return by.Sign(t, event.Event{Kind: 1984, Content: "look at \x1b[31mthis", Tags: tags})
}

func TestOperatorSeesReportsAndActs(t *testing.T) {
	m := serveModerated(t, "")
	reporter, stranger, spammer, victim := relaytest.NewKey(1), relaytest.NewKey(20), relaytest.NewKey(21), relaytest.NewKey(22)
	c := relaytest.Dial(t, m.URL)
	spam, other, honest := spammer.Note(t, "buy this"), spammer.Note(t, "and that"), victim.Note(t, "hello")
	c.Accepted(t, spam, other, honest)
	c.Accepted(t, reportOf(t, reporter, spammer, "spam", spam), reportOf(t, stranger, victim, "nudity", nil), reportOf(t, reporter, victim, "other", nil))
	m.open(t, 2)
	list := m.do(t, "list")
	for _, want := range []string{nip19.Npub(spammer.PubKey), "reported by 1, last ", ": spam 1; 1 event\n", nip19.Npub(victim.PubKey), ": other 1\n"} {
		if !strings.Contains(list, want) {
			t.Errorf("list does not say %q:\n%s", want, list)
		}
	}
	show := m.do(t, "show", nip19.Npub(spammer.PubKey))
	for _, want := range []string{`look at \x1b[31mthis`, " spam, of ", "by " + nip19.Npub(reporter.PubKey) + ", a trusted reporter\n", "what was reported:\n  " + spam.ID.String(), "buy this"} {
		if !strings.Contains(show, want) || strings.Contains(show, "\x1b") {
			t.Errorf("show does not say %q:\n%q", want, show)
		}
	}

	if show := m.do(t, "show", victim.Hex()); !strings.Contains(show, " nudity, of ") || !strings.Contains(show, "by "+nip19.Npub(stranger.PubKey)+", not a trusted reporter\n") {
		t.Errorf("show does not say whose report does not count:\n%s", show)
	}

	// One event is hidden, from whatever asks.
	m.do(t, "hide", spam.ID.String())
	seen := func(what string, want ...*event.Event) {
		t.Helper()
		var ids []string
		for _, e := range c.Query(t, `{"authors":["`+spammer.Hex()+`"]}`, `{"ids":["`+spam.ID.String()+`"]}`) {
			ids = append(ids, e.ID.String())
		}
		for _, e := range want {
			if !strings.Contains(strings.Join(ids, " "), e.ID.String()) {
				t.Errorf("%s: %s is not shown", what, e.Content)
			}
		}
		c.Say(t, `["COUNT","n",{"authors":["%s"]}]`, spammer.Hex())
		if r := c.Hear(t, wire.Count); len(ids) != len(want) || r.Count != int64(len(want)) {
			t.Errorf("%s: %d events are shown, and %d counted; want %d", what, len(ids), r.Count, len(want))
		}
	}
	seen("after hide", other)
	c.Refused(t, spam, "blocked: the operator of this relay has hidden this event")
	m.open(t, 1) // what was reported is closed with the event

	m.do(t, "dismiss", "--note", "a quarrel", victim.Hex())
	m.open(t, 0)
	m.do(t, "ban", "--for", "7d", "--hide", nip19.Npub(spammer.PubKey))
	seen("after ban --hide")
	if show := m.do(t, "show", nip19.Npub(spammer.PubKey)); !strings.Contains(show, "ban      "+nip19.Npub(spammer.PubKey)) || !strings.Contains(show, "nothing is open") {
		t.Errorf("show does not say that the author is banned:\n%s", show)
	}
	c.Refused(t, spammer.Note(t, "more"), "blocked: the operator of this relay has banned the author until ")
	c.Accepted(t, victim.Note(t, "still here"), spammer.Sign(t, event.Event{Kind: 5, Tags: []event.Tag{{"e", other.ID.String()}}}))

	// A crash changes nothing.
	m.again(t)
	c = relaytest.Dial(t, m.URL)
	m.open(t, 0)
	c.Refused(t, spammer.Note(t, "again"), "blocked: ")
	decisions := m.do(t, "decisions")
	for _, want := range []string{"hide     " + spam.ID.String(), "ban      " + nip19.Npub(spammer.PubKey), "  hidden", "dismiss  " + nip19.Npub(victim.PubKey) + "  (a quarrel)"} {
		if !strings.Contains(decisions, want) {
			t.Errorf("decisions do not say %q:\n%s", want, decisions)
		}
	}
	m.do(t, "undo", spammer.Hex())
	m.do(t, "undo", spam.ID.String())
	c.Accepted(t, spammer.Note(t, "forgiven"))
	if got := c.Query(t, `{"ids":["`+spam.ID.String()+`"]}`); len(got) != 1 {
		t.Error("what was hidden is not shown again")
	}
	m.open(t, 1) // the report counts again, and the operator may think again
}

// stored is how many events match in the store itself, hidden or not.
func (m *moderatedRelay) stored(t *testing.T, filter string) int {
	t.Helper()
	m.Signal(t, syscall.SIGTERM)
	m.Wait(t)
	stdout, _ := good(t, "export", "--data", m.data, "--filter", filter)
	m.server = serveIn(t, m.data, "--config", m.config)
	return strings.Count(stdout, "\n")
}

func TestWhatIsDeletedIsInTheStoreNoMore(t *testing.T) {
	m := serveModerated(t, "")
	author, banned, other := relaytest.NewKey(20), relaytest.NewKey(21), relaytest.NewKey(22)
	c := relaytest.Dial(t, m.URL)
	bad, fine := author.Note(t, "bad"), author.Note(t, "fine")
	c.Accepted(t, bad, fine)
	for n := range 20 {
		c.Accepted(t, banned.Note(t, fmt.Sprint("note ", n)))
	}
	c.Accepted(t, banned.Sign(t, event.Event{Kind: 0, Content: "{}"}))
	if said := m.do(t, "delete", bad.ID.String()); !strings.Contains(said, "1 event was removed") {
		t.Errorf("said %s", said)
	}
	c.Refused(t, bad, "blocked: the operator of this relay has removed this event")
	if got := c.Query(t, `{"authors":["`+author.Hex()+`"]}`); len(got) != 1 || got[0].ID != fine.ID {
		t.Errorf("%d events are shown", len(got))
	}
	if said := m.do(t, "ban", "--delete", banned.Hex()); !strings.Contains(said, "banned for good; 21 events were removed") {
		t.Errorf("said %s", said)
	}
	relaytest.Eventually(t, "the log says that the ban deletes", func() bool {
		line := m.logged("moderation: decided")
		return line["author"] == banned.Hex() && line["deleted"] == true && line["hidden"] == false
	})
	if n := m.stored(t, `{"authors":["`+author.Hex()+`","`+banned.Hex()+`"]}`); n != 1 {
		t.Errorf("%d events are stored", n)
	}

	// A decision says that it has deleted, and an undo that this stays.
	if decisions := m.do(t, "decisions"); !strings.Contains(decisions, "ban      "+nip19.Npub(banned.PubKey)+"  deleted\n") {
		t.Errorf("decisions are\n%s", decisions)
	}
	m.do(t, "ban", other.Hex())
	for what, want := range map[string]string{banned.Hex(): "undone: ban; what it has removed", other.Hex(): "undone: ban\n"} {
		if said := m.do(t, "undo", what); !strings.HasPrefix(said, want) {
			t.Errorf("undo says %s", said)
		}
	}

	// What comes back by another way is removed at the next start.
	m.Signal(t, syscall.SIGTERM)
	m.Wait(t)
	good(t, "import", "--data", m.data, file(t, "events.jsonl", jsonl([]*event.Event{bad})))
	m.server = serveIn(t, m.data, "--config", m.config)
	m.waitFor(t, "moderation: events removed")
	if n := m.stored(t, `{"ids":["`+bad.ID.String()+`"]}`); n != 0 {
		t.Error("a deleted event is stored again")
	}
}

func TestEnoughReportersHaveAnAuthorRefused(t *testing.T) {
	m := serveModerated(t, "after = 2\nfor = \"1h\"\n")
	spammer := relaytest.NewKey(21)
	c := relaytest.Dial(t, m.URL)
	spam := spammer.Note(t, "buy this")
	c.Accepted(t, spam, reportOf(t, relaytest.NewKey(1), spammer, "spam", nil), reportOf(t, relaytest.NewKey(1), spammer, "spam", spam))
	m.open(t, 1)
	c.Accepted(t, spammer.Note(t, "one person is not enough"), reportOf(t, relaytest.NewKey(2), spammer, "impersonation", nil))
	n := 0
	relaytest.Eventually(t, "the author is refused", func() bool {
		n++
		ok := c.Send(t, spammer.Note(t, fmt.Sprint("note ", n)))
		return !ok.OK && strings.HasPrefix(ok.Text, "blocked: people whom this relay trusts have reported the author")
	})
	m.waitFor(t, "an author is refused, for trusted people have reported them")
	res, err := http.Get("http" + strings.TrimPrefix(m.URL, "ws") + "/metrics")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	for _, want := range []string{"moa_moderation_cases 1", "moa_moderation_refused_authors 1", "moa_moderation_reports_total 3", "moa_moderation_dropped_total 0"} {
		if err != nil || !strings.Contains(string(text), "\n"+want+"\n") {
			t.Errorf("no %s in the metrics, %v", want, err)
		}
	}

	// It is laid out anew from the store after a crash.
	m.again(t)
	c = relaytest.Dial(t, m.URL)
	if cases := m.open(t, 1); cases[0].People != 2 || cases[0].Refused == nil {
		t.Errorf("after a restart: %+v", cases[0])
	}
	c.Refused(t, spammer.Note(t, "again"), "blocked: ")
	m.do(t, "dismiss", spammer.Hex())
	c.Accepted(t, spammer.Note(t, "the operator thinks otherwise"))
}

func TestModerationIsForTheRelaysOwnUser(t *testing.T) {
	m := serveModerated(t, "")
	if st, err := os.Stat(filepath.Dir(doorPath(m.data))); err != nil || st.Mode().Perm() != 0o700 {
		t.Errorf("the folder of the socket: %v, %v", st.Mode(), err)
	}
	for _, path := range []string{"/moderation", "/moderation/" + relaytest.NewKey(1).Hex()} {
		res, err := http.Get("http" + strings.TrimPrefix(m.URL, "ws") + path)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != http.StatusNotFound {
			t.Errorf("%s is open to everybody: %s", path, res.Status)
		}
	}
	for _, bad := range [][]string{{"ban"}, {"ban", "me"}, {"hide", nip19.Npub(relaytest.NewKey(1).PubKey)}, {"undo", relaytest.NewKey(9).Hex()}, {"ban", "--for", "soon", relaytest.NewKey(9).Hex()}, {"ban", "--note", strings.Repeat("x", 2000), relaytest.NewKey(9).Hex()}} {
		if _, stderr, code := run(t, "", append([]string{"moderation", bad[0], "--data", m.data}, bad[1:]...)...); code != 2 {
			t.Errorf("%v: exit code %d: %s", bad, code, stderr)
		}
	}
	m.Kill()
	if _, stderr, code := run(t, "", "moderation", "list", "--data", m.data); code != 2 || !strings.Contains(stderr, "no relay can be reached") {
		t.Errorf("without a relay: exit code %d: %s", code, stderr)
	}
}

// TestEveryRelayHasADesk bans, hides, deletes and lifts on a relay without a line about
// moderation in its configuration, also over a restart.
func TestEveryRelayHasADesk(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data)
	key := relaytest.NewKey(5)
	first, second, third := key.Note(t, "one"), key.Note(t, "two"), key.Note(t, "three")
	c := relaytest.Dial(t, s.URL)
	c.Accepted(t, first)
	good(t, "moderation", "hide", "--data", data, first.ID.String())
	good(t, "moderation", "ban", "--data", data, nip19.Npub(key.PubKey))
	c.Refused(t, second, "blocked")
	if found := c.Query(t, `{"kinds":[1]}`); len(found) != 0 {
		t.Errorf("%d events are found", len(found))
	}
	s.Kill()
	s = serveIn(t, data)
	c = relaytest.Dial(t, s.URL)
	c.Refused(t, second, "blocked")
	good(t, "moderation", "undo", "--data", data, key.Hex())
	c.Accepted(t, third)
	if said, _ := good(t, "moderation", "delete", "--data", data, third.ID.String()); !strings.Contains(said, "1 event was removed") {
		t.Errorf("said %s", said)
	}
	c.Refused(t, third, "blocked: the operator of this relay has removed this event")
	s.stop(t)
	if out := exported(t, data); strings.Contains(out, third.ID.String()) || !strings.Contains(out, first.ID.String()) {
		t.Errorf("stored: %s", out)
	}
}
