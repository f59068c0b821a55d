package files

import (
	"os"
	"path/filepath"
	"testing"
	"time"
)

// Every way in which people change a file, with the time kept as a coarse clock
// would keep it.
func TestVersionTellsChangesWithinOneTick(t *testing.T) {
	name := filepath.Join(t.TempDir(), "file")
	tick := time.Unix(1700000000, 0)
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, tick, tick); err != nil {
			t.Fatal(err)
		}
	}
	look := func() Version {
		t.Helper()
		v, err := Look(name)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	write(name, "one")
	first := look()
	if !first.Same(look()) {
		t.Error("an untouched file is another")
	}
	if first.Same(Version{}) || (Version{}).Same(first) || (Version{}).Same(Version{}) {
		t.Error("no file is the same as one")
	}
	write(name, "three")
	second := look()
	if first.Same(second) {
		t.Error("a longer file is the same")
	}
	write(name+".new", "seven")
	if err := os.Rename(name+".new", name); err != nil {
		t.Fatal(err)
	}
	third := look()
	if second.Same(third) {
		t.Error("a file put in the place of another is the same")
	}
	if err := os.Chtimes(name, tick, tick.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if third.Same(look()) {
		t.Error("a file of another time is the same")
	}
}
