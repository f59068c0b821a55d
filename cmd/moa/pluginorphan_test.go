//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"moa/relay/relaytest"
)

// TestPluginEndsWithAKilledRelay kills `moa serve` so that it can tell its
// plugin nothing, and the plugin does not heed the end of its input.
func TestPluginEndsWithAKilledRelay(t *testing.T) {
	dir := t.TempDir()
	pid, plugin := filepath.Join(dir, "pid"), filepath.Join(dir, "plugin")
	text := fmt.Sprintf("#!/bin/sh\ntrap '' HUP TERM PIPE\necho $$ >%s.new\nmv %[1]s.new %[1]s\nwhile :; do sleep 0.05; done\n", pid)
	// Close before exec: another test's fork may hold the file open for writing.
	syscall.ForkLock.RLock()
	err := os.WriteFile(plugin, []byte(text), 0o700)
	syscall.ForkLock.RUnlock()
	if err != nil {
		t.Fatal(err)
	}
	s := serveIn(t, filepath.Join(dir, "data"), "--config", writeConfig(t, "[[policy]]\nuse = \"plugin\"\ncommand = \""+plugin+"\"\n"))
	relaytest.Eventually(t, "the plugin runs", func() bool { _, err := os.Stat(pid); return err == nil })
	number, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	process := "/proc/" + strings.TrimSpace(string(number)) + "/stat"
	if !lives(process) {
		t.Fatal("the plugin does not run")
	}
	s.Kill()
	t.Cleanup(func() { // so that a failure leaves nothing behind
		if n, err := strconv.Atoi(strings.TrimSpace(string(number))); err == nil && lives(process) {
			_ = syscall.Kill(n, syscall.SIGKILL)
		}
	})
	relaytest.Eventually(t, "the plugin has ended", func() bool { return !lives(process) })
}

// lives reports a process that has not ended. One that has may wait to be
// noticed by its parent, as a Z behind its name.
func lives(stat string) bool {
	text, err := os.ReadFile(stat)
	_, state, _ := strings.Cut(string(text), ") ")
	return err == nil && !strings.HasPrefix(state, "Z")
}
