//go:build unix

package builtin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
)

const pluginText = `#!/bin/sh
while IFS= read -r line; do
	id=$(printf '%s' "$line" | sed 's/.*"event":{"id":"\([0-9a-f]*\)".*/\1/')
	printf '{"id":"%s","action":"reject","msg":"pow: from the folder of the config"}\n' "$id"
done
`

func TestPluginIsFoundBesideTheConfigFile(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "filter"), []byte(pluginText), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Chdir(dir)
	for _, c := range []struct{ dir, command string }{{".", "./filter"}, {"", "./filter"}, {dir, "./filter"}, {"/", filepath.Join(dir, "filter")}, {dir, "exec ./filter"}} {
		p := running(t, policy.Env{Dir: c.dir}, map[string]any{"use": "plugin", "command": c.command})
		testwait.Eventually(t, c.command+" answers", func() bool {
			got := ask(p, nobody, event.Event{Kind: 1})
			if strings.HasPrefix(got, "error: ") {
				return false
			}
			expect(t, c.command, got, "pow: from the folder of the config")
			return true
		})
	}
}

func TestPluginFaultsAreFoundBeforeTheStart(t *testing.T) {
	for config, want := range map[string]string{
		"":                             "policy[0].command: missing",
		"command='./nowhere'":          "policy[0].command: exec: ",
		"command='nowhere-at-all'":     "policy[0].command: exec: ",
		"command='./nowhere.wasm'":     "policy[0].command: stat ",
		"command='sh'\nprocesses=0":    "policy[0].processes: 0 is less than 1",
		"command='sh'\nmemory=5000":    "policy[0].memory: 5000 is more than 4096",
		"command='sh'\ntimeout='0s'":   "policy[0].timeout: it is 0",
		"command='sh'\non_failure='x'": `policy[0].on_failure: "x" is neither`,
	} {
		_, faults := build(t, "[[policy]]\nuse='plugin'\n"+config)
		if len(faults) != 1 || !strings.HasPrefix(faults[0].Error(), want) {
			t.Errorf("%s: %v, want %s", config, faults, want)
		}
	}
}
