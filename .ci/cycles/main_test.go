package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestReferencesInsideCyclesAreCounted(t *testing.T) {
	var out bytes.Buffer
	if err := run(&out, []string{"testdata/tangle=4"}, true); err != nil {
		t.Fatal(err)
	}
	want := `testdata/tangle=4: 3 files, 7 references between files (4 pairs), 4 inside cycles
	largest cycle: 2 files: a.go b.go
	a.go -> b.go	1	-4	useB
	b.go -> a.go	3	-4	a a.method field
`
	if got := out.String(); got != strings.Replace(want, "=4", "", 1) {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestGrownCyclesFail(t *testing.T) {
	err := run(new(bytes.Buffer), []string{"testdata/tangle=3"}, false)
	if err == nil || !strings.Contains(err.Error(), "4 references inside cycles of files, there may be 3") {
		t.Errorf("got %v", err)
	}
}
