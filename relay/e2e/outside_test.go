package e2e

import (
	"go/format"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// goBlock is Go code in the README, and modEdit a line that edits a go.mod.
var (
	goBlock = regexp.MustCompile("(?s)```go\n(.*?)\n```")
	modEdit = regexp.MustCompile(`(?m)^go (mod edit .*?)(\s+#.*)?$`)
)

const outsideHead = `package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/sig"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	khatrudoor "moa/relay/khatru"
	"moa/store/badgerstore"
)

var _ = khatruPolicy

`

// TestReadmesCodeBuildsOutside makes a module of the README's code, with the
// README's lines, as the author of a relay would.
func TestReadmesCodeBuildsOutside(t *testing.T) {
	repo, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile(filepath.Join(repo, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	source := outsideHead
	for _, block := range goBlock.FindAllStringSubmatch(string(readme), -1) {
		source += block[1] + "\n\n"
	}
	code, err := format.Source([]byte(source))
	if err != nil {
		t.Fatal(err)
	}
	sums, err := os.ReadFile(filepath.Join(repo, "go.sum"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string][]byte{"main.go": code, "go.sum": sums, "go.mod": []byte("module relay.example\n\ngo 1.26\n")} {
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	edits := modEdit.FindAllStringSubmatch(string(readme), -1)
	if len(edits) != 2 {
		t.Fatalf("the README has %d lines of go mod edit, want 2", len(edits))
	}
	for _, edit := range edits {
		outside(t, dir, strings.Fields(strings.ReplaceAll(edit[1], "../moa", repo))...)
	}
	outside(t, dir, "build", "-mod=mod", "-buildvcs=false", "-o", os.DevNull, ".")
}

// outside runs go in the folder.
func outside(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("go", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}
