package main

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const operating = "../../relay/docs/operating.md"

// sources is the text of all Go files that are not tests.
func sources(t *testing.T) string {
	t.Helper()
	var all strings.Builder
	for _, dir := range []string{"relay", "store", "policy", "cmd"} {
		err := filepath.WalkDir(filepath.Join("../..", dir), func(path string, _ fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			text, err := os.ReadFile(path)
			all.Write(text)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// table returns the rows of operating.md below a heading: the cells of each.
func table(t *testing.T, heading string) (rows [][]string) {
	t.Helper()
	text, err := os.ReadFile(operating)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(text), "\n## "+heading+"\n")
	if !found {
		t.Fatalf("operating.md has no heading %q", heading)
	}
	rest, _, _ = strings.Cut(rest, "\n## ")
	for line := range strings.Lines(rest) {
		if cells := strings.Split(strings.TrimSpace(line), "|"); len(cells) > 3 && !strings.Contains(cells[1], "---") {
			rows = append(rows, cells[1:len(cells)-1])
		}
	}
	return rows[1:] // not the head
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

// Every metric is in the table of operating.md, and everything in the table is a
// metric.
func TestEveryMetricIsDocumented(t *testing.T) {
	real := map[string]bool{}
	for _, m := range regexp.MustCompile(`[^:]"(moa_[a-z0-9_]+)"`).FindAllStringSubmatch(sources(t), -1) { // not a JSON tag
		real[m[1]] = true
	}
	documented := map[string]bool{}
	for _, row := range table(t, "Metrics") {
		for _, m := range codeSpan.FindAllStringSubmatch(row[0], -1) {
			name, _, _ := strings.Cut(m[1], "{")
			documented[name] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(real)) {
		if !documented[name] {
			t.Errorf("operating.md does not say what %s is", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(documented)) {
		if !real[name] {
			t.Errorf("operating.md has %s, which no code makes", name)
		}
	}
}

// Every error and warning is in the table of log lines, and every line of the table
// is in the code. What follows a "…" there changes from line to line.
func TestEveryLogLineToActOnIsDocumented(t *testing.T) {
	code := sources(t)
	var documented []string
	for _, row := range table(t, "Log lines to act on") {
		for _, m := range codeSpan.FindAllStringSubmatch(row[1], -1) {
			message, _, _ := strings.Cut(m[1], "…")
			documented = append(documented, message)
			if !strings.Contains(code, message) {
				t.Errorf("operating.md has %q, which no code logs", m[1])
			}
		}
	}
	documented = append(documented, "lists that are read from the store are empty here") // said by moa policy test
	for _, m := range regexp.MustCompile(`[lL]og\.(?:Error|Warn)\(\s*"([^"]+)"`).FindAllStringSubmatch(code, -1) {
		if !slices.ContainsFunc(documented, func(d string) bool { return strings.HasPrefix(m[1], d) }) {
			t.Errorf("operating.md does not say what to do about %q", m[1])
		}
	}
}

// A row that says "as above" or "the same" stands below one that says what to do.
func TestWhatToDoIsNotLeftToARowWithNothingToDo(t *testing.T) {
	above := ""
	for _, row := range table(t, "Log lines to act on") {
		do := strings.TrimSpace(row[2])
		if refers := strings.HasPrefix(do, "as above") || strings.HasPrefix(do, "the same"); !refers {
			above = do
		} else if strings.HasPrefix(above, "nothing") {
			t.Errorf("what to do about %s is %q, and above it is %q", row[1], do, above)
		}
	}
}

// The store of the pages is where their systemd unit has it, wherever a command names it.
func TestPagesNameTheStoreWhereItIs(t *testing.T) {
	pages, err := filepath.Glob("../../relay/docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range append(pages, "../../README.md") {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`/var/lib/moa/[^ '`+"`"+`")]*`).FindAllString(string(text), -1) {
			if !strings.HasPrefix(name, "/var/lib/moa/store") {
				t.Errorf("%s names %s, and the unit's store is /var/lib/moa/store", filepath.Base(page), name)
			}
		}
	}
}
