package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/relaytest"
)

// exported is what the store in data holds, when nobody uses it.
func exported(t *testing.T, data string) string {
	t.Helper()
	out, _ := good(t, "export", "--data", data)
	return out
}

// stop ends a relay in order.
func (s *server) stop(t *testing.T) {
	t.Helper()
	s.Signal(t, syscall.SIGTERM)
	if code := s.Wait(t); code != 0 {
		t.Fatalf("exit code %d:\n%s", code, s.lines())
	}
}

// mixedLoad publishes what is public and what is not.
func mixedLoad(t *testing.T, url string, from, n int) {
	t.Helper()
	alice, bob := relaytest.NewKey(1), relaytest.NewKey(2)
	c := relaytest.Dial(t, url)
	defer c.Close()
	for i := range n {
		kind := []uint16{1, 4, 1059, 0, 30023}[i%5]
		tags := []event.Tag{{"p", bob.Hex()}, {"d", fmt.Sprint(i)}}
		c.Accepted(t, alice.Sign(t, event.Event{Kind: kind, CreatedAt: 1_700_000_000 + int64(from+i), Content: fmt.Sprint("number ", from+i), Tags: tags}))
	}
}

func TestARunningRelayIsBackedUpAndRestored(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data, "--self.publish", "true", "--url", "wss://relay.example.com")
	mixedLoad(t, s.URL, 0, 100)
	spammer := relaytest.NewKey(30)
	good(t, "moderation", "ban", "--data", data, nip19.Npub(spammer.PubKey))
	all, _ := good(t, "export", "--all", "--data", data)
	dir, withKey := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "with-key")
	good(t, "store", "backup", "--data", data, dir)
	good(t, "store", "backup", "--data", data, "--with-key", withKey)
	stream, _ := good(t, "store", "backup", "--data", data, "-")
	mixedLoad(t, s.URL, 1000, 50)
	if _, stderr, code := run(t, "", "store", "backup", "--data", data, dir); code != 2 || !strings.Contains(stderr, "is there already") {
		t.Errorf("over a backup: exit code %d, %s", code, stderr)
	}
	later, _ := good(t, "export", "--all", "--data", data)
	if strings.Count(later, "\n") <= strings.Count(all, "\n") {
		t.Errorf("%d lines, and before %d", strings.Count(later, "\n"), strings.Count(all, "\n"))
	}
	s.stop(t)
	if got := exported(t, data); got != later {
		t.Errorf("--all gave %d lines, and the store has %d", strings.Count(later, "\n"), strings.Count(got, "\n"))
	}

	for name, restore := range map[string]func(to string) (string, int){
		"folder": func(to string) (string, int) {
			_, stderr, code := run(t, "", "store", "restore", "--data", to, dir)
			return stderr, code
		},
		"with its key": func(to string) (string, int) {
			_, stderr, code := run(t, "", "store", "restore", "--data", to, withKey)
			return stderr, code
		},
		"stream": func(to string) (string, int) {
			_, stderr, code := run(t, stream, "store", "restore", "--data", to, "-")
			return stderr, code
		},
	} {
		to := filepath.Join(t.TempDir(), "restored")
		if stderr, code := restore(to); code != 0 {
			t.Fatalf("%s: exit code %d: %s", name, code, stderr)
		}
		if got := exported(t, to); got != all {
			t.Errorf("%s: %d lines, not %d", name, strings.Count(got, "\n"), strings.Count(all, "\n"))
		}
		good(t, "store", "check", "--deep", "--data", to)
		if key, err := os.ReadFile(filepath.Join(to, config.KeyFile)); (err == nil) != (name == "with its key") {
			t.Errorf("%s: the key is %d bytes, %v", name, len(key), err)
		}
		r := serveIn(t, to)
		relaytest.Dial(t, r.URL).Refused(t, spammer.Note(t, "buy"), "blocked: ")
		r.stop(t)
	}
	if out, _ := good(t, "store", "check", "--json", "--data", dir); strings.Contains(out, "next") {
		t.Errorf("a good backup needs another: %s", out)
	}
	for _, verb := range [][]string{{"serve"}, {"export"}, {"import"}, {"store", "repair"}} {
		if _, stderr, code := run(t, "", append(verb, "--data", dir)...); code != 2 || !strings.Contains(stderr, "is a backup, not a store") {
			t.Errorf("%v over a backup: exit code %d, %s", verb, code, stderr)
		}
	}
}

// A file in place of a folder is told so, and how a backup in a file is restored.
func TestAFileIsNoStore(t *testing.T) {
	file := filepath.Join(t.TempDir(), "moa.tar")
	mustDo(t, os.WriteFile(file, nil, 0o600))
	for _, verb := range [][]string{{"serve"}, {"export"}, {"import"}, {"policy", "explain", "{}"}, {"store", "check"}, {"store", "repair"}, {"store", "backup", "x"}, {"store", "restore", "x"}} {
		if _, stderr, code := run(t, "", append(verb, "--data", file)...); code != 2 || !strings.Contains(stderr, file+" is a file, and a store is a folder") {
			t.Errorf("%v: exit code %d, %s", verb, code, stderr)
		}
	}
	if _, stderr, code := run(t, "", "store", "restore", file, "--data", filepath.Join(t.TempDir(), "to")); code != 2 || !strings.Contains(stderr, "moa store restore - < "+file) {
		t.Errorf("restore of a file: exit code %d, %s", code, stderr)
	}
}

// What an operator removed, and let come again, is in the store once, also after a restore
// and after a repair, and its author can delete it.
func TestWhatCameAgainIsRestoredAndRepaired(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	s := serveIn(t, data)
	alice, bob := relaytest.NewKey(1), relaytest.NewKey(2)
	one, other := alice.Note(t, "one"), bob.Note(t, "other")
	c := relaytest.Dial(t, s.URL)
	c.Accepted(t, one, other)
	moderate := func(args ...string) { good(t, append([]string{"moderation", args[0], "--data", data}, args[1:]...)...) }
	moderate("delete", one.ID.String())
	moderate("ban", "--delete", nip19.Npub(bob.PubKey))
	c.Refused(t, one, "blocked: ")
	moderate("undo", one.ID.String())
	moderate("undo", nip19.Npub(bob.PubKey))
	c.Accepted(t, one, other)
	s.stop(t)
	good(t, "store", "check", "--deep", "--data", data)
	backup, to := filepath.Join(t.TempDir(), "backup"), filepath.Join(t.TempDir(), "restored")
	good(t, "store", "backup", "--data", data, backup)
	good(t, "store", "restore", "--data", to, backup)
	good(t, "store", "repair", "--data", data)
	for _, data := range []string{data, to} {
		if out, _ := good(t, "store", "check", "--deep", "--data", data); out != "2 events, nothing is wrong\n" {
			t.Errorf("%q", out)
		}
		s := serveIn(t, data)
		c := relaytest.Dial(t, s.URL)
		for _, e := range []*event.Event{one, other} {
			if ok := c.Send(t, e); !ok.OK || !strings.HasPrefix(ok.Text, "duplicate:") {
				t.Errorf("it is stored twice: %+v", ok)
			}
		}
		if got := c.Query(t, `{}`); len(got) != 2 {
			t.Errorf("%d events are served", len(got))
		}
		c.Accepted(t, alice.Sign(t, event.Event{Kind: event.KindDeletion, Tags: []event.Tag{{"e", one.ID.String()}}}))
		if got := c.Query(t, `{"kinds":[1]}`); len(got) != 1 {
			t.Errorf("%d notes are left", len(got))
		}
		s.stop(t)
	}
}

func TestAStoppedStoreIsBackedUpAndReplaced(t *testing.T) {
	data, text := dataOf(t, 200)
	dir := filepath.Join(t.TempDir(), "backup")
	good(t, "store", "backup", "--data", data, dir)
	good(t, "import", "--data", data, file(t, "more.jsonl", jsonl([]*event.Event{relaytest.NewKey(5).Note(t, "later")})))
	newer := exported(t, data)
	if _, stderr, code := run(t, "", "store", "restore", "--data", data, dir); code != 2 || !strings.Contains(stderr, "--replace") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	_, stderr := good(t, "store", "restore", "--data", data, "--replace", dir)
	if got := exported(t, data); got != text {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
	old, err := filepath.Glob(data + ".before-*")
	if err != nil || len(old) != 1 || !strings.Contains(stderr, old[0]) {
		t.Fatalf("%v, %v, %s", old, err, stderr)
	}
	if got := exported(t, old[0]); got != newer {
		t.Errorf("what was there has %d lines", strings.Count(got, "\n"))
	}
	s := serveIn(t, data)
	if _, stderr, code := run(t, "", "store", "restore", "--data", data, "--replace", dir); code != 1 || !strings.Contains(stderr, "another moa is using it") {
		t.Errorf("under a relay: exit code %d, %s", code, stderr)
	}
	s.stop(t)
}

func TestCheckAndRepairSayWhatIsWrong(t *testing.T) {
	data, text := dataOf(t, 200)
	stdout, _ := good(t, "store", "check", "--data", data, "--deep")
	if want := "200 events, nothing is wrong\n"; stdout != want {
		t.Errorf("%q, want %q", stdout, want)
	}
	stdout, _ = good(t, "store", "check", "--data", data, "--json")
	var said checked
	if err := json.Unmarshal([]byte(stdout), &said); err != nil || !said.OK || said.Events != 200 || said.Problems == nil {
		t.Errorf("%s, %v", stdout, err)
	}
	s := serveIn(t, data)
	if _, stderr, code := run(t, "", "store", "check", "--data", data); code != 1 || !strings.Contains(stderr, "stop it first; or take a backup") {
		t.Errorf("under a relay: exit code %d, %s", code, stderr)
	}
	s.stop(t)

	if err := os.Remove(filepath.Join(data, "MANIFEST")); err != nil {
		t.Fatal(err)
	}
	for _, verb := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"export"}, {"import", file(t, "in.jsonl", text)}} {
		_, stderr, code := run(t, "", append(verb, "--data", data)...)
		if code != 1 || !strings.Contains(stderr, "store: damaged: the file MANIFEST is missing") || !strings.Contains(stderr, "moa store repair") || strings.Contains(stderr, "goroutine") {
			t.Errorf("%v: exit code %d, %s", verb, code, stderr)
		}
	}
	if stdout, _, code := run(t, "", "store", "check", "--data", data); code != 1 || !strings.Contains(stdout, "\nNext: moa store repair --data "+data) {
		t.Errorf("exit code %d, %s", code, stdout)
	}
	stdout, _ = good(t, "store", "repair", "--data", data)
	if want := "200 events, and the index is new\n"; stdout != want {
		t.Errorf("%q, want %q", stdout, want)
	}
	if exported(t, data) != text {
		t.Error("the export is not what it was")
	}
}

// Whatever is wrong with a file of the store, a person reads a sentence that says what
// to do next, and no panic of Go; what repair leaves is a store.
func TestADamagedStoreIsASentence(t *testing.T) {
	data, _ := dataOf(t, 300)
	files, err := os.ReadDir(data)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		name := f.Name()
		whole, err := os.ReadFile(filepath.Join(data, name))
		if err != nil || len(bytes.Trim(whole, "\x00")) == 0 {
			continue // a folder, or nothing is written in it
		}
		written := bytes.TrimRight(whole, "\x00")
		wrong := bytes.Clone(whole)
		copy(wrong[len(written)/2:], bytes.Repeat([]byte{0xa5}, 64))
		for how, text := range map[string][]byte{"cut off": written[:len(written)/2], "overwritten": wrong, "missing": nil} {
			t.Run(name+" "+how, func(t *testing.T) {
				t.Parallel()
				hurt := filepath.Join(t.TempDir(), "data")
				if err := os.CopyFS(hurt, os.DirFS(data)); err != nil {
					t.Fatal(err)
				}
				err := os.Remove(filepath.Join(hurt, name))
				if text != nil {
					err = errors.Join(err, os.WriteFile(filepath.Join(hurt, name), text, 0o600))
				}
				if err != nil {
					t.Fatal(err)
				}
				command := func(args ...string) int {
					t.Helper()
					_, stderr, code := run(t, "", append(args, "--data", hurt)...)
					if strings.Contains(stderr, "goroutine ") || strings.Contains(stderr, "panic") || code != 0 && code != 1 && code != 2 {
						t.Errorf("%v: exit code %d, %s", args, code, stderr)
					}
					if code != 0 && args[0] == "export" && !strings.Contains(stderr, "moa store ") && !strings.Contains(stderr, "damaged on the disk and were left out") {
						t.Errorf("%v does not say what to do: %s", args, stderr)
					}
					return code
				}
				command("store", "check")
				if command("export") != 0 {
					command("store", "repair")
				}
				command("serve", "--listen", "203.0.113.1:7447") // opens the store, and ends: the address is not this machine's
			})
		}
	}
}

func TestAnExportThatLeavesSomethingOutSaysSo(t *testing.T) {
	all := notes(t, 100)
	data := filepath.Join(t.TempDir(), "data")
	good(t, "import", "--data", data, file(t, "in.jsonl", jsonl(all)))
	name := filepath.Join(data, "records.0000000000000001")
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	at := bytes.Index(text, all[50].ID[:])
	text[at] ^= 1
	if err := os.WriteFile(name, text, 0o600); err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "out.jsonl")
	_, stderr, code := run(t, "", "export", "--data", data, out)
	if code != 1 || !strings.Contains(stderr, "1 event is damaged on the disk and left out") || !strings.Contains(stderr, "an event is damaged on the disk, and passed over") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if strings.Contains(stderr, `{"`) {
		t.Errorf("it logs JSON to a person: %s", stderr)
	}
	if got, err := os.ReadFile(out); err != nil || bytes.Count(got, []byte("\n")) != 99 {
		t.Errorf("%d lines, %v", bytes.Count(got, []byte("\n")), err)
	}
	if _, stderr, code := run(t, "", "policy", "test", "--data", data, "--config", writeConfig(t, "")); code != 1 || !strings.Contains(stderr, "left out") {
		t.Errorf("policy test: exit code %d, %s", code, stderr)
	}
	if stdout, _, code := run(t, "", "store", "check", "--data", data); code != 1 || !strings.Contains(stdout, "record") {
		t.Errorf("check: exit code %d, %s", code, stdout)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if _, stderr, code := run(t, "", "store", "backup", "--data", data, backup); code != 1 || !strings.Contains(stderr, "the backup is done, and 1 event in it is damaged") {
		t.Errorf("backup: exit code %d, %s", code, stderr)
	}
	s := serveIn(t, data)
	if out, stderr, code := run(t, "", "export", "--all", "--data", data); code != 1 || strings.Count(out, "\n") != 99 || !strings.Contains(stderr, "1 event is damaged on the disk and left out") {
		t.Errorf("--all: exit code %d, %d lines, %s", code, strings.Count(out, "\n"), stderr)
	}
	stream, stderr, code := run(t, "", "store", "backup", "--data", data, "-")
	if code != 1 || !strings.Contains(stderr, "the backup is done, and 1 event in it is damaged") {
		t.Errorf("backup of the relay: exit code %d, %s", code, stderr)
	}
	s.stop(t)
	to := filepath.Join(t.TempDir(), "restored")
	if _, stderr, code := run(t, stream, "store", "restore", "--data", to, "-"); code != 1 || !strings.Contains(stderr, "1 event was damaged when the backup was taken") {
		t.Errorf("restore: exit code %d, %s", code, stderr)
	}
	if got := exported(t, to); strings.Count(got, "\n") != 99 {
		t.Errorf("%d lines are restored", strings.Count(got, "\n"))
	}
}

func TestReadingVerbsMakeAndReplaceNothing(t *testing.T) {
	dir := t.TempDir()
	backup := file(t, "backup.jsonl", "the last backup\n")
	for _, data := range []string{dir, filepath.Join(dir, "none")} {
		for _, args := range [][]string{{"export", "--replace", backup}, {"policy", "test", "--config", writeConfig(t, "")}, {"policy", "explain", "--config", writeConfig(t, ""), string(notes(t, 1)[0].Raw)}, {"store", "check"}, {"store", "repair"}, {"store", "backup", filepath.Join(dir, "b")}} {
			if _, stderr, code := run(t, "", append(args, "--data", data)...); code == 0 || !strings.Contains(stderr, "there is no store in") {
				t.Errorf("%v: exit code %d, %s", args, code, stderr)
			}
		}
	}
	// One that can do without a store makes none, either, nor a key.
	good(t, "check-config", "--data", filepath.Join(dir, "none"), "--self.publish", "true", "--url", "wss://relay.mine.net")
	if got, err := os.ReadFile(backup); err != nil || string(got) != "the last backup\n" {
		t.Errorf("the backup is %q, %v", got, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
		t.Errorf("made: %v, %v", files, err)
	}
}

func TestAFolderOfOtherThingsIsNotTaken(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "thesis.doc"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"import", file(t, "in.jsonl", jsonl(notes(t, 1)))}} {
		if _, stderr, code := run(t, "", append(args, "--data", dir)...); code != 2 || !strings.Contains(stderr, "is not empty, and there is no store in it (but thesis.doc)") {
			t.Errorf("%v: exit code %d, %s", args, code, stderr)
		}
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 1 {
		t.Errorf("there is %v, %v", files, err)
	}
	mine := t.TempDir()
	for _, name := range []string{"moa.toml", "members.txt", ".hidden", "lost+found", config.KeyFile} {
		if err := os.WriteFile(filepath.Join(mine, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	good(t, "import", "--data", mine, file(t, "in.jsonl", jsonl(notes(t, 1))))
}

func TestAFullDiskIsToldAsSuch(t *testing.T) {
	data, text := dataOf(t, 10)
	more := file(t, "more.jsonl", jsonl([]*event.Event{relaytest.NewKey(3).Note(t, "one more")}))
	_, stderr, code := run(t, "", "import", "--data", data, "--store.reserve-mib", "900000000", more)
	if code != 1 || !strings.Contains(stderr, "moa: store: disk full: ") || !strings.Contains(stderr, ": make room, or lower store.reserve_mib") {
		t.Errorf("exit code %d, %s", code, stderr)
	}
	if got := exported(t, data); got != text {
		t.Errorf("%d lines", strings.Count(got, "\n"))
	}
}
