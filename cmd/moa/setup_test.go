package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/nip19"
	"moa/relay/relaytest"
)

// A folder that init was told is in the file, so that every command finds the store by
// the file alone, from wherever it is started.
func TestInitNamesTheStoreForEveryCommand(t *testing.T) {
	dir := t.TempDir()
	config, data := filepath.Join(dir, "moa.toml"), filepath.Join(dir, "store")
	here, err := os.Getwd()
	mustDo(t, err)
	relative, err := filepath.Rel(here, data)
	mustDo(t, err)
	good(t, "init", "public", "--out", config, "--data", relative)
	s := serveFrom(t, "--config", config)
	c := relaytest.Dial(t, s.URL)
	c.Accepted(t, guest.Note(t, "hello"))
	good(t, "moderation", "ban", "--config", config, nip19.Npub(nuisance.PubKey))
	if said, _ := good(t, "policy", "explain", "--config", config, string(nuisance.Note(t, "spam").Raw)); !strings.Contains(said, "has banned the author") {
		t.Errorf("of a banned author it explains\n%s", said)
	}
	good(t, "store", "backup", "--config", config, filepath.Join(dir, "backup"))
	if all, _ := good(t, "export", "--all", "--config", config); strings.Count(all, "\n") != 1 {
		t.Errorf("exported\n%s", all)
	}
	s.stop(t)
	if said, _ := good(t, "store", "check", "--config", config); !strings.HasPrefix(said, "1 event, nothing is wrong") {
		t.Errorf("checked\n%s", said)
	}
	if _, err := os.Stat(data); err != nil {
		t.Error(err)
	}
}

// A recipe on standard output, as of a container, works with the list that init names and
// the page on containers makes.
func TestARecipeOnStandardOutputNamesItsList(t *testing.T) {
	for _, r := range recipeList {
		text, said := good(t, "init", r.name, "--pubkey", owner.Hex(), "--url", "wss://relay.mine.net")
		if strings.Contains(said, membersFile+", which must lie beside the file") != r.members {
			t.Errorf("init %s says %q", r.name, said)
		}
		config := file(t, "moa.toml", text)
		if r.members {
			mustDo(t, os.WriteFile(filepath.Join(filepath.Dir(config), membersFile), []byte(nip19.Npub(owner.PubKey)+"\n"), 0o600))
		}
		good(t, "check-config", config)
	}
	page, err := os.ReadFile(operating)
	mustDo(t, err)
	if !strings.Contains(string(page), "> conf/"+membersFile) {
		t.Error("the page on containers does not make the list")
	}
}

// All bad lines of a list are told at once, each once, however many policies read it; and
// so is a list that is not there.
func TestFaultsOfAListAreToldOnce(t *testing.T) {
	dir := t.TempDir()
	config, list := filepath.Join(dir, "moa.toml"), filepath.Join(dir, membersFile)
	good(t, "init", "community", "--out", config)
	for bad, want := range map[string][]string{
		"foo\n\nnpub1x Al\n": {"moa: 2 faults in the configuration:\n", membersFile + ":1: \"foo\" is no", membersFile + ":3: \"npub1x\" is no"},
		strings.Repeat("foo\n", 25): {
			"moa: 25 faults in the configuration:\n", membersFile + ":1: ", membersFile + ":2: ", membersFile + ":3: ", membersFile + ":4: ", membersFile + ":5: ",
			membersFile + ":6: ", membersFile + ":7: ", membersFile + ":8: ", membersFile + ":9: ", membersFile + ":10: ", membersFile + ": and 15 more like these",
		},
	} {
		mustDo(t, os.WriteFile(list, []byte(bad), 0o600))
		allOnce(t, config, want)
	}
	mustDo(t, os.Remove(list))
	allOnce(t, config, []string{"moa: 1 fault in the configuration:\n", "policy[0].files[0]: stat " + list + ": no such file"})
}

// Without a file check-config does not praise one.
func TestCheckConfigSaysThatNoFileWasNamed(t *testing.T) {
	t.Setenv("MOA_CONFIG", "")
	const none = "the configuration is good; no file was named, so it is that of flags, variables and defaults\n"
	if said, _ := good(t, "check-config"); said != none {
		t.Errorf("says %q", said)
	}
	t.Setenv("MOA_CONFIG", file(t, "moa.toml", ""))
	if said, _ := good(t, "check-config"); said != "the configuration is good\n" {
		t.Errorf("with a file it says %q", said)
	}
}

// allOnce expects of check-config these lines, each once, and no others.
func allOnce(t *testing.T, config string, lines []string) {
	t.Helper()
	_, said, code := run(t, "", "check-config", config)
	for _, line := range lines {
		if strings.Count(said, line) != 1 {
			t.Errorf("check-config does not say %q once", line)
		}
	}
	if code != 2 || strings.Count(said, "\n") != len(lines) {
		t.Errorf("the exit code is %d, and check-config says\n%s", code, said)
	}
}

// A list in which nobody is refuses everybody, which nobody means: check-config and the
// start say so.
func TestAListOfNobodyIsNamed(t *testing.T) {
	dir := t.TempDir()
	config, list := filepath.Join(dir, "moa.toml"), filepath.Join(dir, membersFile)
	if _, said := good(t, "init", "community", "--out", config); !strings.Contains(said, list+". Put the members there, and yourself") {
		t.Errorf("init says\n%s", said)
	}
	text, err := os.ReadFile(config)
	mustDo(t, err)
	tables := "[[policy]]\nuse = \"readers\"\nfiles = [\"members.txt\"]\n[[policy]]\nuse = \"deny\"\nfiles = [\"members.txt\"]\n[[policy]]\nuse = \"allow\"\nmode = \"observe\"\nname = \"later\"\nfiles = [\"members.txt\"]\n"
	mustDo(t, os.WriteFile(config, append(text, tables...), 0o600))
	writes := "policy members: nobody is in " + list + ", so it lets nobody write"
	reads := "policy readers: nobody is in " + list + ", so it lets nobody read"
	if _, said := good(t, "check-config", config); !strings.Contains(said, "warning: "+writes+"\nwarning: "+reads+"\n") || strings.Count(said, "nobody is in") != 2 {
		t.Errorf("check-config says\n%s", said)
	}
	s := serveIn(t, filepath.Join(dir, "data"), "--config", config)
	s.waitFor(t, "a setting to look at")
	relaytest.Eventually(t, "the start says it", func() bool { return strings.Contains(s.lines(), writes) && strings.Contains(s.lines(), reads) })
	s.stop(t)
	mustDo(t, os.WriteFile(list, []byte(owner.Hex()+"\n"), 0o600))
	if _, said := good(t, "check-config", config); strings.Contains(said, "nobody") {
		t.Errorf("with a member check-config says\n%s", said)
	}
}
