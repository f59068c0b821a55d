package relay_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// nipLines are what the NIPs about people and their management ask of a relay, and what
// comes with them, by number. Each is named by the comment of a test that holds it.
var nipLines = map[string]string{
	"NIP43.1": "a request to join is answered by its OK, whatever becomes of it",
	"NIP43.2": "an invite is made for who asks, is signed by the relay and goes to nobody else",
	"NIP43.3": "a request to leave is protected, and of now",
	"NIP43.4": "the list of members follows each change; additions and removals are told",
	"NIP43.5": "roles are events, and what only the relay says is taken from nobody else",
	"NIP43.6": "requests are neither stored nor shown",
	"NIP43.7": "of two that claim a one-use code one joins; a refused admission uses up none",
	"NIP43.8": "a person's own memberships are taken from members",

	"NIP56.3": "what a report says is wrong is read from the tag that names what it is about, and comes before a moderator",

	"NIP86.1": "a call is a POST to the relay's URI, and is answered by a result or an error",
	"NIP86.2": "a call is signed by NIP-98, for this relay, method, time and body, and once",
	"NIP86.3": "somebody who manages nothing changes nothing; a page of another site may ask",
	"NIP86.4": "the methods and their parameters; what the caller may call",
	"NIP86.5": "a change is in force at once and after a restart, and shows in NIP-11",
	"NIP86.6": "what is wrong with a call is said; lists come in pages",
}

var lineMark = regexp.MustCompile(`NIP(?:43|56|86)\.\d+`)

func TestEveryLineOfTheNIPsAboutPeopleHasATest(t *testing.T) {
	held := map[string][]string{}
	for _, pattern := range []string{"*_test.go", "../nips/*/*_test.go", "../policy/*/*_test.go", "../cmd/moa/*_test.go"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("%s: %d files, %v", pattern, len(files), err)
		}
		for _, name := range files {
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range file.Decls {
				if f, ok := d.(*ast.FuncDecl); ok && strings.HasPrefix(f.Name.Name, "Test") {
					for _, line := range lineMark.FindAllString(f.Doc.Text(), -1) {
						held[line] = append(held[line], f.Name.Name)
					}
				}
			}
		}
	}
	for line, what := range nipLines {
		if len(held[line]) == 0 {
			t.Errorf("%s has no test: %s", line, what)
		}
	}
	for line, tests := range held {
		if nipLines[line] == "" {
			t.Errorf("%v: there is no %s", tests, line)
		}
	}
}
