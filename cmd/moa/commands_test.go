package main

import (
	"strings"
	"testing"
)

func TestCommandOfNoNameIsToldSo(t *testing.T) {
	for _, group := range [][]string{nil, {"policy"}, {"init"}, {"moderation"}, {"members"}} {
		stdout, _ := good(t, group...)
		if !strings.Contains(stdout, "COMMANDS:") {
			t.Errorf("moa %s shows no commands:\n%s", strings.Join(group, " "), stdout)
		}
		typed := append(group, "nonsense")
		want := `there is no command "moa ` + strings.Join(typed, " ") + `"`
		if _, stderr, code := run(t, "", typed...); code != 2 || !strings.Contains(stderr, want) {
			t.Errorf("exit code %d, %q; want 2, %s", code, stderr, want)
		}
	}
	if _, stderr, code := run(t, "", "policy", "tset"); code != 2 || !strings.Contains(stderr, `"moa policy tset" (did you mean "test"?); `) {
		t.Errorf("exit code %d, %q", code, stderr)
	}
}
