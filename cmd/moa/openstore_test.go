package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A store is not made beside the files of another one, as after a change of the folder in
// which an image keeps it: the relay would start without its events.
func TestNoStoreIsMadeInsideOfAnother(t *testing.T) {
	volume, _ := dataOf(t, 3)
	inside := filepath.Join(volume, "store")
	for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"import"}} {
		_, stderr, code := run(t, "", append(args, "--data", inside)...)
		if code != 2 || !strings.Contains(stderr, "there is a store in "+volume) {
			t.Errorf("%s: exit code %d, %s", args[0], code, stderr)
		}
	}
	files, err := os.ReadDir(volume)
	mustDo(t, err)
	mustDo(t, os.Mkdir(inside, 0o750))
	for _, f := range files {
		mustDo(t, os.Rename(filepath.Join(volume, f.Name()), filepath.Join(inside, f.Name())))
	}
	if all, _ := good(t, "export", "--data", inside); strings.Count(all, "\n") != 3 {
		t.Errorf("once it is moved it has\n%s", all)
	}
	backup := filepath.Join(t.TempDir(), "backup")
	good(t, "store", "backup", "--data", inside, backup)
	good(t, "store", "restore", "--data", inside, "--replace", backup)
}
