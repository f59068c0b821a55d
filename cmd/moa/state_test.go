package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay/relaytest"
	"moa/store/badgerstore"
	"moa/store/state"
)

// auditLog is the audit log about a subject, "" for all, the oldest change first.
func auditLog(t *testing.T, data, subject string) []state.Change {
	t.Helper()
	st, err := state.OpenReading(t.Context(), filepath.Join(data, state.File))
	mustDo(t, err)
	defer st.Close()
	log, err := st.Changes(t.Context(), subject, 0, 1000)
	mustDo(t, err)
	slices.Reverse(log)
	return log
}

func inForceAt(t *testing.T, data string) []decision {
	t.Helper()
	var now moderated
	mustDo(t, door{data}.ask(t.Context(), http.MethodGet, "/moderation", nil, &now))
	return now.Decisions
}

// storedOf is how many events of an author a running relay has, hidden or not.
func storedOf(t *testing.T, data string, k relaytest.Key) int {
	t.Helper()
	n := 0
	_, err := exportAll(t.Context(), data, `{"authors":["`+k.Hex()+`"]}`, func([]byte) error { n++; return nil })
	mustDo(t, err)
	return n
}

// filesIn are the files of a folder in which decisions are: Badger makes others as it is read.
func filesIn(t *testing.T, dir string) (list []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	mustDo(t, err)
	for _, f := range files {
		if strings.HasPrefix(f.Name(), "state") || strings.HasPrefix(f.Name(), recordFile) {
			list = append(list, f.Name())
		}
	}
	return list
}

// TestKilledWhileDeciding kills the relay anywhere in a decision: afterwards it is there
// with its row in the log, or neither is; and what it removes is removed after the start.
func TestKilledWhileDeciding(t *testing.T) {
	random := seeded(t)
	data := filepath.Join(t.TempDir(), "data")
	took := 50 * time.Millisecond
	made := 0
	const notes = 300
	for round := range killRounds(6, 60) {
		s := serveIn(t, data)
		k := relaytest.NewKey(byte(20 + round))
		c := relaytest.Dial(t, s.URL)
		var all []*event.Event
		for n := range notes {
			all = append(all, k.Note(t, fmt.Sprint("note ", n)))
		}
		last := k.Note(t, "the last")
		c.Accepted(t, append(all, last)...)
		one := decision{Do: doBan, Author: &k.PubKey, Purge: true}
		subject := k.Hex()
		left := 0
		switch round % 4 {
		case 1:
			one, subject, left = decision{Do: doDelete, Event: &last.ID}, last.ID.String(), notes
		case 2:
			one, subject, left = decision{Do: doHide, Event: &last.ID}, last.ID.String(), notes+1
		case 3:
			network := netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(round)}), 24)
			one, subject, left = decision{Do: doBlock, Address: &network}, network.String(), notes+1
		}
		timer := time.AfterFunc(time.Duration(random.Int64N(int64(took))), s.Kill)
		if round == 0 {
			timer.Stop() // it tells how long one takes
		}
		began := time.Now()
		err := door{data}.ask(context.Background(), http.MethodPost, "/moderation", one, new(outcome))
		if round == 0 {
			took = time.Since(began) + time.Millisecond
		}
		s.Kill()
		s = serveIn(t, data)
		log := auditLog(t, data, subject)
		is := slices.ContainsFunc(inForceAt(t, data), func(d decision) bool {
			_, name := d.about()
			return d.Do == one.Do && name == subject
		})
		if is != (len(log) == 1) || err == nil && !is {
			t.Errorf("round %d: answered %v, in force %v, %d rows of the log", round, err == nil, is, len(log))
		}
		if is {
			made++
			relaytest.Eventually(t, "what is to be removed is", func() bool { return storedOf(t, data, k) == left })
			if one.Do != doBlock {
				relaytest.Dial(t, s.URL).Refused(t, last, "blocked: ")
			}
		} else if n := storedOf(t, data, k); n != notes+1 {
			t.Errorf("round %d: nothing was decided, and %d events are stored", round, n)
		}
		s.Kill()
	}
	t.Logf("%d decisions were made; one takes %v", made, took)
}

// Two operators who decide at once, one at the control socket and one by signed calls, lose
// no change: about one author, each is told of what the other one has left, and all that
// they decide about other things is in force.
func TestTwoModeratorsAtOnce(t *testing.T) {
	m := serveManaged(t)
	k := relaytest.NewKey(20)
	const each = 20
	others := func(door, n int) (id event.ID, address netip.Prefix) {
		return event.ID{byte(door), byte(n), 1}, netip.PrefixFrom(netip.AddrFrom4([4]byte{192, 0, byte(door), byte(n)}), 32)
	}
	shell := func(n int) error {
		about := decision{Do: doBan, Author: &k.PubKey, Note: fmt.Sprint("of the shell ", n)}
		if n%3 == 2 {
			about.Do = doUndo
		}
		id, address := others(0, n)
		for _, one := range []decision{about, {Do: doHide, Event: &id}, {Do: doBlock, Address: &address}} {
			if err := (door{m.data}).ask(context.Background(), http.MethodPost, "/moderation", one, new(outcome)); err != nil {
				return err
			}
		}
		return nil
	}
	signed := func(n int) error {
		about := []string{"banpubkey", k.Hex(), fmt.Sprint("of a call ", n)}
		if n%4 == 3 {
			about = []string{"unbanpubkey", k.Hex()}
		}
		id, address := others(1, n)
		for _, words := range [][]string{about, {"banevent", id.String()}, {"blockip", address.Addr().String()}} {
			if err := m.call(t, owner, words...); err != nil {
				return err
			}
		}
		return nil
	}
	var both sync.WaitGroup
	for _, decide := range []func(int) error{shell, signed} {
		both.Go(func() {
			for n := range each {
				if err := decide(n); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	last, doors := bansInTheLog(t, m.data, k.Hex())
	if len(doors) != 2 {
		t.Errorf("changes came through the doors %v", doors)
	}
	refused := !relaytest.Dial(t, m.URL).Send(t, k.Note(t, "am I banned?")).OK
	if refused != (last != "null") {
		t.Errorf("the log ends with %s, and the author is refused: %v", last, refused)
	}
	inForce := map[string]bool{}
	for _, d := range inForceAt(t, m.data) {
		_, name := d.about()
		inForce[name] = true
	}
	for door := range 2 {
		for n := range each {
			if id, address := others(door, n); !inForce[id.String()] || !inForce[address.String()] {
				t.Errorf("door %d, decision %d is lost", door, n)
			}
		}
	}
}

// bansInTheLog goes through the bans of an author and their ends, each of which must begin
// where the one before has ended. It returns where the last one has, and how many came
// through each door.
func bansInTheLog(t *testing.T, data, author string) (last string, doors map[string]int) {
	t.Helper()
	last, doors = "null", map[string]int{}
	for _, c := range auditLog(t, data, author) {
		if c.Verb != "ban author" && c.Verb != "unban author" {
			continue
		}
		if string(c.Was) != last {
			t.Errorf("change %d: was %s, and the one before has left %s", c.Nth, c.Was, last)
		}
		last = string(c.Became)
		doors[c.Door]++
	}
	return last, doors
}

// record is a moderation.jsonl of an older moa.
func record(at int64, authors ...relaytest.Key) string {
	var text strings.Builder
	for i, k := range authors {
		fmt.Fprintf(&text, `{"at":%d,"do":"ban","author":"%s","note":"old"}`+"\n", at+int64(i), k.Hex())
	}
	return text.String()
}

// The record of an older moa is taken over once: with what was undone, what is over and
// the broken line of a crash. Before that, verbs read it as it is.
func TestTheRecordIsTakenOver(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data)
	banned, lifted, over, dismissed := relaytest.NewKey(20), relaytest.NewKey(21), relaytest.NewKey(22), relaytest.NewKey(23)
	hidden, again := lifted.Note(t, "hidden"), lifted.Note(t, "deleted, allowed and stored again")
	relaytest.Dial(t, s.URL).Accepted(t, hidden, again, over.Note(t, "after the ban"))
	s.stop(t)
	for _, name := range []string{"", "-wal", "-shm"} {
		os.Remove(filepath.Join(data, state.File+name))
	}
	at := time.Now().Unix() - 1000
	lines := record(at, banned, lifted)
	for _, text := range []string{
		`{"at":%d,"do":"undo","author":"` + lifted.Hex() + `"}`,
		`{"at":%d,"do":"ban","author":"` + over.Hex() + `","until":1600000000,"purge":true}`,
		`{"at":%d,"do":"dismiss","author":"` + dismissed.Hex() + `","note":"a quarrel"}`,
		`{"at":%d,"do":"hide","event":"` + hidden.ID.String() + `"}`,
		`{"at":%d,"do":"delete","event":"` + again.ID.String() + `"}`,
		`{"at":%d,"do":"undo","event":"` + again.ID.String() + `"}`,
		`{"at":%d,"do":"ban","aut`,
	} {
		lines += fmt.Sprintf(text+"\n", at+10)
	}
	mustDo(t, os.WriteFile(filepath.Join(data, recordFile), []byte(lines), 0o600))
	before := filesIn(t, data)
	if said, _ := good(t, "policy", "explain", "--data", data, string(banned.Note(t, "x").Raw)); !strings.Contains(said, "refused because of moderation") {
		t.Errorf("the record is not read:\n%s", said)
	}
	if now := filesIn(t, data); !slices.Equal(now, before) {
		t.Errorf("reading has made of %v %v", before, now)
	}

	for start := range 2 {
		s = serveIn(t, data)
		if start == 0 {
			if line := s.waitFor(t, "decisions were moved to the database"); line["lines"] != 8.0 {
				t.Errorf("%v", line)
			}
			s.waitFor(t, "the record of moderation has lines that are no decisions")
		}
		c := relaytest.Dial(t, s.URL)
		c.Refused(t, banned.Note(t, "x"), "blocked: ")
		c.Refused(t, hidden, "blocked: ")
		c.Accepted(t, lifted.Note(t, fmt.Sprint("start ", start)))
		if n := storedOf(t, data, over) + storedOf(t, data, lifted); n != 4+start {
			t.Errorf("%d events are stored: what was taken back or is over was removed", n)
		}
		var said []string
		for _, d := range inForceAt(t, data) {
			said = append(said, d.Do+d.Note)
		}
		slices.Sort(said)
		if got := strings.Join(said, " "); got != "banold dismiss dismissa quarrel hide" {
			t.Errorf("in force are %s", got)
		}
		log := auditLog(t, data, "")
		if len(log) != 9 || log[0].At != at || log[0].Door != state.RecordDoor || log[0].By != "" || log[0].Why != "old" {
			t.Errorf("%d rows, the first is %+v", len(log), log[0])
		}
		s.stop(t)
		if now := filesIn(t, data); slices.Contains(now, recordFile) || !slices.Contains(now, recordFile+".migrated") {
			t.Errorf("there are %v", now)
		}
	}
}

// TestKilledWhileTakingOver kills the relay at its first start with the record of an older
// moa: all of the record is in the database, or nothing is, and in the end it is there once.
func TestKilledWhileTakingOver(t *testing.T) {
	random := seeded(t)
	const lines = 2000
	var text strings.Builder
	for n := range lines {
		fmt.Fprintf(&text, `{"at":%d,"do":"ban","author":"%064x"}`+"\n", 1_700_000_000+n, 1+n)
	}
	took := 300 * time.Millisecond
	whole := 0
	for round := range killRounds(6, 40) {
		data := filepath.Join(t.TempDir(), "data")
		mustDo(t, os.MkdirAll(data, 0o700))
		mustDo(t, os.WriteFile(filepath.Join(data, recordFile), []byte(text.String()), 0o600))
		began := time.Now()
		if round == 0 {
			serveIn(t, data).Kill()
			took = time.Since(began)
		} else {
			killedAfter(t, time.Duration(random.Int64N(int64(took))), "serve", "--data", data, "--listen", "127.0.0.1:0")
		}
		if st, err := state.OpenReading(t.Context(), filepath.Join(data, state.File)); err == nil {
			n := len(st.Authors())
			mustDo(t, st.Close())
			if n == lines {
				whole++
			}
			if n != 0 && n != lines {
				t.Errorf("round %d: %d of %d lines are there", round, n, lines)
			}
		}
		s := serveIn(t, data)
		if n := len(inForceAt(t, data)); n != lines {
			t.Errorf("round %d: %d decisions are in force", round, n)
		}
		s.stop(t)
		st, err := state.OpenReading(t.Context(), filepath.Join(data, state.File))
		mustDo(t, err)
		log, err := st.Changes(t.Context(), "", 0, 2*lines)
		mustDo(t, err)
		mustDo(t, st.Close())
		if len(log) != lines {
			t.Errorf("round %d: %d rows of the log", round, len(log))
		}
	}
	t.Logf("%d rounds were whole; a start takes %v", whole, took)
}

// The answer to a decision is short, however much is decided: operators ban by the thousand.
func TestADecisionIsAnsweredBriefly(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	mustDo(t, os.MkdirAll(data, 0o700))
	keys := make([]relaytest.Key, 200)
	for i := range keys {
		keys[i] = relaytest.NewKey(byte(i + 1))
	}
	mustDo(t, os.WriteFile(filepath.Join(data, recordFile), []byte(record(1_700_000_000, keys...)), 0o600))
	serveIn(t, data)
	body, err := json.Marshal(decision{Do: doBan, Author: &keys[0].PubKey, Note: "again"})
	mustDo(t, err)
	res, err := door{data}.open(t.Context(), http.MethodPost, "/moderation", strings.NewReader(string(body)))
	mustDo(t, err)
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || len(text) > 100 {
		t.Errorf("the answer has %d bytes, %v", len(text), err)
	}
	if n := len(inForceAt(t, data)); n != len(keys) {
		t.Errorf("%d decisions are in force", n)
	}
}

// What was decided just before a crash is read by verbs of the stopped store, which change
// nothing, and is in a backup of it.
func TestDecisionsAreReadAfterACrash(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data)
	banned := relaytest.NewKey(20)
	relaytest.Dial(t, s.URL).Accepted(t, banned.Note(t, "before"))
	good(t, "moderation", "ban", "--data", data, banned.Hex())
	s.Kill()
	before := filesIn(t, data)
	text, err := os.ReadFile(filepath.Join(data, state.File))
	mustDo(t, err)
	backup, to := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	if said, _ := good(t, "policy", "explain", "--data", data, string(banned.Note(t, "x").Raw)); !strings.Contains(said, "refused because of moderation") {
		t.Errorf("a ban in the log of SQLite is not seen:\n%s", said)
	}
	good(t, "policy", "test", "--data", data)
	if now, err := os.ReadFile(filepath.Join(data, state.File)); err != nil || string(now) != string(text) {
		t.Errorf("the database was written: %v", err)
	}
	if now := filesIn(t, data); !slices.Equal(now, before) {
		t.Errorf("reading has made of %v %v", before, now)
	}
	good(t, "store", "backup", "--data", data, backup)
	good(t, "store", "restore", "--data", to, backup)
	for _, data := range []string{data, to} {
		s = serveIn(t, data)
		relaytest.Dial(t, s.URL).Refused(t, banned.Note(t, "y"), "blocked: ")
		if log := auditLog(t, data, banned.Hex()); len(log) != 1 || log[0].Door != "shell" {
			t.Errorf("%+v", log)
		}
		s.stop(t)
	}
}

// A backup of an older moa has its record, which is taken over by the restored relay. What
// was decided since, in the store that it replaces, stands.
func TestABackupOfAnOlderMoaIsRestored(t *testing.T) {
	data, _ := dataOf(t, 3)
	old, since := relaytest.NewKey(20), relaytest.NewKey(21)
	st, err := badgerstore.Open(badgerstore.Options{Dir: data, Existing: true})
	mustDo(t, err)
	b, err := st.Backup()
	mustDo(t, err)
	b.Add(recordFile, []byte(record(1_700_000_000, old)))
	dir := filepath.Join(t.TempDir(), "backup")
	stage, err := badgerstore.Stage(dir, ".part")
	mustDo(t, err)
	_, err = b.Write(t.Context(), stage, func(int64, int64) {})
	mustDo(t, err)
	mustDo(t, stage.Place(""))
	mustDo(t, b.Close())
	mustDo(t, st.Close())

	s := serveIn(t, data)
	good(t, "moderation", "ban", "--data", data, since.Hex())
	s.Kill()
	fresh := filepath.Join(t.TempDir(), "fresh")
	good(t, "store", "restore", "--data", fresh, dir)
	good(t, "store", "restore", "--replace", "--data", data, dir)
	for _, c := range []struct {
		data string
		bans int
	}{{fresh, 1}, {data, 2}} {
		s := serveIn(t, c.data)
		relaytest.Dial(t, s.URL).Refused(t, old.Note(t, "x"), "blocked: ")
		if list := inForceAt(t, c.data); len(list) != c.bans {
			t.Errorf("%d bans are in force, want %d", len(list), c.bans)
		}
		s.stop(t)
	}
}

// The log names who has changed what, the newest first, a page at a time.
func TestModerationLog(t *testing.T) {
	m := serveModerated(t, "")
	k := relaytest.NewKey(20)
	e := k.Note(t, "x")
	m.do(t, "ban", "--note", "spam \x1b[31m", k.Hex())
	m.do(t, "hide", e.ID.String())
	m.do(t, "undo", k.Hex())
	all := m.do(t, "log")
	for _, want := range []string{"unban author", `was {"at":`, "is nothing", "hide event", "by the shell, shell", `(spam \x1b[31m)`} {
		if !strings.Contains(all, want) || strings.Contains(all, "\x1b") {
			t.Errorf("the log does not say %q:\n%s", want, all)
		}
	}
	if page := m.do(t, "log", "--limit", "1"); !strings.Contains(page, "older ones: --before ") || strings.Count(page, "by the shell") != 1 {
		t.Errorf("a page is\n%s", page)
	}
	var log []state.Change
	mustDo(t, json.Unmarshal([]byte(m.do(t, "log", "--json", "--event", e.ID.String())), &log))
	if len(log) != 1 || log[0].Subject != e.ID.String() {
		t.Errorf("about an event: %+v", log)
	}
	mustDo(t, json.Unmarshal([]byte(m.do(t, "log", "--json", "--author", k.Hex(), "--before", fmt.Sprint(log[0].Nth))), &log))
	if len(log) != 1 || log[0].Verb != "ban author" {
		t.Errorf("about an author, before that: %+v", log)
	}
	if _, stderr, code := run(t, "", "moderation", "log", "--data", m.data, "--limit", "0"); code != 2 {
		t.Errorf("exit code %d: %s", code, stderr)
	}
	res, err := http.Get("http" + strings.TrimPrefix(m.URL, "ws") + "/metrics")
	mustDo(t, err)
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	mustDo(t, err)
	for _, want := range []string{`moa_state_changes_total{door="shell",verb="ban author"} 1`, "moa_state_errors_total 0"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("no %s in the metrics", want)
		}
	}
	m.stop(t)
	if stopped := m.do(t, "log"); stopped != all {
		t.Errorf("of a relay that has stopped, it says\n%s", stopped)
	}
	if said, _ := good(t, "moderation", "log", "--data", t.TempDir()); said != "nothing was changed\n" {
		t.Errorf("where nothing was decided, it says %q", said)
	}
}

// A database that cannot be read is a sentence that names it, and nothing is changed: a
// relay without its bans is not started.
func TestADamagedStateIsASentence(t *testing.T) {
	data, _ := dataOf(t, 3)
	serveIn(t, data).stop(t)
	path := filepath.Join(data, state.File)
	good(t, "store", "check", "--data", data)
	text := strings.Repeat("this is no database. ", 1000)
	mustDo(t, os.WriteFile(path, []byte(text), 0o600))
	for _, args := range [][]string{
		{"serve", "--listen", "127.0.0.1:0", "--data", data},
		{"store", "check", "--data", data},
		{"policy", "test", "--data", data},
		{"store", "backup", "--data", data, filepath.Join(t.TempDir(), "backup")},
	} {
		stdout, stderr, code := run(t, "", args...)
		if code != 1 || !strings.Contains(stdout+stderr, path) {
			t.Errorf("%v: exit code %d: %s%s", args, code, stdout, stderr)
		}
	}
	if now, err := os.ReadFile(path); err != nil || string(now) != text {
		t.Errorf("it was changed: %v", err)
	}
}
