package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestREADMENamesTheClientsThatAreTested holds the README's table of clients to what
// is tested: their versions, and that each has a test.
func TestREADMENamesTheClientsThatAreTested(t *testing.T) {
	read := func(name string) string {
		t.Helper()
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	readme, module := read("../../README.md"), read("../../go.mod")
	var npm struct{ Dependencies map[string]string }
	if err := json.Unmarshal([]byte(read("package.json")), &npm); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*.test.mjs")
	if err != nil {
		t.Fatal(err)
	}
	tests := ""
	for _, name := range files {
		tests += read(name)
	}
	names := map[string]string{ // of packages, as the README calls their clients
		"nostr-tools": "nostr-tools", "@nostr-dev-kit/ndk": "NDK", "@rust-nostr/nostr-sdk": "rust-nostr",
		"@nostrify/nostrify": "@nostrify/nostrify", "nostr-fetch": "nostr-fetch",
		"@welshman/net": "@welshman/net", "@welshman/util": "@welshman/util", "applesauce-relay": "applesauce-relay",
	}
	for name, version := range npm.Dependencies {
		client, ok := names[name]
		if !ok && name != "ws" { // which some of them need under Node
			t.Errorf("%s is no client of the table", name)
		}
		if ok && (!strings.Contains(readme, client+" "+version) || !strings.Contains(tests, "from '"+name)) {
			t.Errorf("the README does not name %s %s, or it is not tested", client, version)
		}
		delete(names, name)
	}
	if len(names) > 0 {
		t.Errorf("not among the packages: %v", names)
	}
	_, rest, ok := strings.Cut(module, "github.com/nbd-wtf/go-nostr v")
	version, _, _ := strings.Cut(rest, "\n")
	if !ok || !strings.Contains(readme, "go-nostr "+version) {
		t.Errorf("the README does not name go-nostr %s", version)
	}
}
