package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"moa/bench"
	"moa/relay/relaytest"
)

// TestBenchLoadsARelayOfItsOwn runs one workload as a person would, and looks
// at what is shown and written.
func TestBenchLoadsARelayOfItsOwn(t *testing.T) {
	dir := t.TempDir()
	result, page := filepath.Join(dir, "result.json"), filepath.Join(dir, "page.html")
	out, err := moa(t.Context(), "bench", "publish", "--cache", "-", "--events", "2000", "--json", result, "--html", page).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "No fault was found.") {
		t.Fatalf("%v\n%s", err, out)
	}
	if strings.ContainsAny(string(out), "\r\x1b") {
		t.Errorf("progress is drawn where there is no terminal: %q", out)
	}
	text, err := os.ReadFile(result)
	if err != nil {
		t.Fatal(err)
	}
	var r bench.Report
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	if m, ok := r.Results[0].Runs[0].Metric("accepted, all"); !ok || m.Value < 1900 {
		t.Errorf("%v of 2000 events were accepted", m.Value)
	}
	if _, ok := r.Results[0].Runs[0].Metric("relay CPU per event"); !ok && runtime.GOOS == "linux" {
		t.Error("the relay's CPU was not measured")
	}
	if info, err := os.Stat(page); err != nil || info.Size() < 50_000 {
		t.Errorf("the page: %v", err)
	}
	out, err = moa(t.Context(), "bench", "diff", result, result).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "publish p99, ms") {
		t.Errorf("diff: %v\n%s", err, out)
	}
}

func TestBenchLeavesOtherPeoplesRelaysAlone(t *testing.T) {
	out, err := moa(t.Context(), "bench", "wss://relay.example.com").CombinedOutput()
	exit, ok := errors.AsType[*exec.ExitError](err)
	if !ok || exit.ExitCode() != 2 || !strings.Contains(string(out), "--yes-this-is-my-relay") {
		t.Errorf("%v\n%s", err, out)
	}
}

// It is interrupted when it has published more than in its warmup, of 100 events.
func TestInterruptedBenchShowsWhatItHas(t *testing.T) {
	s := serveIn(t, t.TempDir())
	c := relaytest.Dial(t, s.URL)
	c.Stored(t, "all", `{"limit":0}`)
	cmd := moa(t.Context(), "bench", "live", "--cache", "-", "--events", "100", "-c", "20", "--duration", "10m", s.URL)
	var out strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 300 {
		if _, err := c.TryNext(relaytest.Patience); err != nil {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("it publishes nothing: %v\n%s", err, out.String())
		}
	}
	_ = cmd.Process.Signal(syscall.SIGINT)
	if err := cmd.Wait(); err != nil || !strings.Contains(out.String(), "The test was cut short") || !strings.Contains(out.String(), "delivered") {
		t.Errorf("%v\n%s", err, out.String())
	}
}
