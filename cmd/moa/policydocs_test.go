package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"moa/policy/builtin"
)

var update = flag.Bool("update", false, "write the list of policies into relay/docs/policies.md")

const policiesPage = "../../relay/docs/policies.md"

// The list of relay/docs/policies.md is written by
//
//	go test ./cmd/moa -run TestPagesListEveryPolicy -update
func TestPagesListEveryPolicy(t *testing.T) {
	text, err := os.ReadFile(policiesPage)
	if err != nil {
		t.Fatal(err)
	}
	const begin, end = "<!-- policies -->\n", "<!-- end -->"
	before, rest, ok := strings.Cut(string(text), begin)
	_, after, ok2 := strings.Cut(rest, end)
	if !ok || !ok2 {
		t.Fatal("the page has no place for the list")
	}
	var list strings.Builder
	list.WriteString("| `use` | what it does |\n| --- | --- |\n")
	for _, name := range builtin.Names() {
		f, _ := builtin.Lookup(name)
		fmt.Fprintf(&list, "| `%s` | %s |\n", name, f.Summary)
	}
	want := before + begin + list.String() + end + after
	if *update {
		if err := os.WriteFile(policiesPage, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
	} else if string(text) != want {
		t.Error("the list of policies is not current; run this test with -update")
	}
}

func TestConfigurationsOnThePoliciesPageAreGood(t *testing.T) {
	text, err := os.ReadFile(policiesPage)
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(string(text), -1)
	if len(blocks) < 2 {
		t.Fatalf("%d blocks of TOML", len(blocks))
	}
	t.Chdir(t.TempDir())
	if err := os.WriteFile(membersFile, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, b := range blocks {
		if err := os.WriteFile("moa.toml", []byte(b[1]), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, stderr, code := run(t, "", "check-config", "moa.toml"); code != 0 {
			t.Errorf("%s\n%s", b[1], stderr)
		}
	}
}
