package records

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// unneeded says that the dead are not needed.
func unneeded([]Record) ([]uint64, error) { return nil, nil }

// A page of the dead set that is not what was written is in doubt, and made anew
// of what lives; so is one that is missing. After that nothing is in doubt.
func TestDamagedPagesOfTheDeadAreMadeAnew(t *testing.T) {
	for what, damage := range map[string]func(t *testing.T, name string){
		"flipped":     func(t *testing.T, name string) { flip(t, name, 3) },
		"sum flipped": func(t *testing.T, name string) { flip(t, name+sumSuffix, sumsHead+1) },
		"sums' head":  func(t *testing.T, name string) { flip(t, name+sumSuffix, 1) },
		"no sums":     func(t *testing.T, name string) { must(t, os.Remove(name+sumSuffix)) },
		"no pages":    func(t *testing.T, name string) { must(t, os.Remove(name)) },
		"none of them": func(t *testing.T, name string) {
			must(t, os.Remove(name))
			must(t, os.Remove(name+sumSuffix))
		},
		"nothing": func(*testing.T, string) {},
	} {
		dir := t.TempDir()
		l := mustOpen(t, dir)
		for n := range uint64(100) {
			write(t, l, n+1)
		}
		write(t, l, 200)
		for _, n := range []uint64{3, 50, 64} {
			l.Drop(n)
		}
		must(t, l.Sync())
		must(t, l.Close())
		damage(t, filepath.Join(dir, deadName))
		for range 2 {
			l = mustOpen(t, dir)
			if got := l.Doubted() > 0; got != (what != "nothing") {
				t.Fatalf("%s: %v", what, got)
			}
			must(t, l.Close())
		}
		l = mustOpen(t, dir)
		var living []uint64
		for n := uint64(1); n <= 200; n++ {
			if (n <= 100 || n == 200) && n != 3 && n != 50 && n != 64 {
				living = append(living, n)
			}
		}
		l.Vouch(slices.Values(living))
		must(t, l.Sync())
		must(t, l.Close())
		l = mustOpen(t, dir)
		if n := l.Doubted(); n != 0 {
			t.Errorf("%s: %d pages are in doubt", what, n)
		}
		for n := uint64(1); n <= 200; n++ {
			if between := n > 100 && n < 200; !between && l.Dead(n) == slices.Contains(living, n) {
				t.Errorf("%s: record %d is dead: %v", what, n, l.Dead(n))
			}
		}
		must(t, l.Close())
	}
}

// What the set of the dead says falsely is dead, its records' owner needs: it is
// not collected.
func TestWhatIsNeededIsNotCollected(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	defer l.Close()
	l.Limit(segmentBytes, mostSerials)
	for n := range uint64(100) {
		write(t, l, n+1)
	}
	for n := range uint64(60) {
		l.Drop(n + 1)
	}
	must(t, l.Sync())
	asked := 0
	needed := func(list []Record) (keep []uint64, err error) {
		for _, r := range list {
			asked++
			if r.Serial%10 == 0 {
				keep = append(keep, r.Serial)
				l.Undrop(r.Serial)
			}
		}
		return keep, nil
	}
	if n, err := l.Collect(t.Context(), needed, atOnce); n != 54 || err != nil || asked != 60 {
		t.Fatalf("%d are gone, asked about %d: %v", n, asked, err)
	}
	for n := range uint64(100) {
		if serial := n + 1; l.Whole(serial) != (serial > 60 || serial%10 == 0) {
			t.Errorf("record %d: %v", serial, l.Whole(serial))
		}
	}
}
