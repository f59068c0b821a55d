package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// A binary that is built as the Dockerfile builds it, where there is no version
// control to ask, knows of which commit it is.
func TestContainersKnowTheirVersion(t *testing.T) {
	text, err := os.ReadFile("../../Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	flags := regexp.MustCompile(`-ldflags "([^"]*)"`).FindStringSubmatch(string(text))
	if flags == nil || !strings.Contains(string(text), "\nARG REVISION") {
		t.Fatal("the Dockerfile has no -ldflags, or no REVISION")
	}
	const revision = "0123456789abcdef0123456789abcdef01234567"
	out := filepath.Join(t.TempDir(), "moa")
	build := exec.CommandContext(t.Context(), "go", "build", "-buildvcs=false", "-ldflags", strings.ReplaceAll(flags[1], "$REVISION", revision), "-o", out, ".")
	if said, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	said, err := exec.CommandContext(t.Context(), out, "version").Output()
	if want := "moa " + release + " " + revision[:12] + ", "; err != nil || !strings.HasPrefix(string(said), want) {
		t.Errorf("%q, %v; want %s", said, err, want)
	}
}

// A checkout without tags is of the release that it becomes, not of v0.0.0.
func TestOnlyTagsSayWhichVersion(t *testing.T) {
	for v, want := range map[string]bool{"v0.2.0": true, "v0.2.1-0.20261130201518-115f9f0f0244": true, "v0.0.0-20261130201518-115f9f0f0244+dirty": false, "(devel)": false, "": false} {
		if tagged(v) != want {
			t.Errorf("%q: %v", v, !want)
		}
	}
}
