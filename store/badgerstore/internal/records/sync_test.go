package records

import (
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
)

// failing fails the syncs of files of that name, while it is not empty.
type failing struct {
	name string
	made int // syncs that failed
}

var errDisk = errors.New("input/output error")

func (f *failing) fsync(file *os.File) error {
	if f.name != "" && filepath.Base(file.Name()) == f.name {
		f.made++
		return errDisk
	}
	return nil
}

func openFailing(t *testing.T, dir string) (*Log, *failing) {
	t.Helper()
	f := new(failing)
	l, err := open(dir, f.fsync)
	must(t, err)
	return l, f
}

// After a failed sync the kernel does not try again to write what it had: the
// next Sync must, or nothing is promised.
func TestFailedSyncsAreTriedAgain(t *testing.T) {
	for _, what := range []string{"dead", "segment", "folder"} {
		dir := t.TempDir()
		l, disk := openFailing(t, dir)
		write(t, l, 1, 2, 5)
		must(t, l.Sync())
		write(t, l, 6, 9)
		l.Drop(2)
		disk.name = map[string]string{"dead": deadName, "segment": filepath.Base(nameOf(dir, 1)), "folder": filepath.Base(dir)}[what]
		if err := l.Sync(); !errors.Is(err, errDisk) || disk.made != 1 {
			t.Fatalf("%s: error %v of %d syncs", what, err, disk.made)
		}
		disk.name = ""
		if what == "dead" { // what the kernel had is not on the disk, nor in its memory any more
			must(t, os.Truncate(filepath.Join(dir, deadName), 0))
		}
		must(t, l.Sync())
		must(t, l.Close())
		l = mustOpen(t, dir)
		if !l.Dead(2) || l.Next() != 10 || !l.Whole(9) || l.Dead(9) {
			t.Errorf("%s: dead %v, next %d, whole %v", what, l.Dead(2), l.Next(), l.Whole(9))
		}
		must(t, l.Close())
	}
}

// What a failed sync has lost for good is not promised later: the journal has
// it, for the next process.
func TestWhatTheDiskHasLostIsNotPromised(t *testing.T) {
	dir := t.TempDir()
	l, disk := openFailing(t, dir)
	write(t, l, 1, 2)
	must(t, l.Sync())
	write(t, l, 3, 4, 5)
	disk.name = filepath.Base(nameOf(dir, 1))
	if err := l.Sync(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	disk.name = ""
	flip(t, nameOf(dir, 1), int64((*l.segments.Load())[0].offset(3))+recordHead+5)
	for range 2 {
		if err := l.Sync(); !errors.Is(err, ErrDamaged) {
			t.Fatalf("error %v, want that the disk has lost a record", err)
		}
	}
	must(t, l.Close())
	l = mustOpen(t, dir)
	defer l.Close()
	if l.Next() != 3 {
		t.Fatalf("what comes before %d was promised", l.Next())
	}
	write(t, l, 3, 4, 5)
	must(t, l.Sync())
	if !l.Whole(4) {
		t.Error("record 4 is not whole")
	}
}

// What a failed sync has lost may be where records lie: zeros there are no serials
// without records, and the next sync writes them again.
func TestWhereRecordsLieIsWrittenAgain(t *testing.T) {
	dir := t.TempDir()
	l, disk := openFailing(t, dir)
	write(t, l, 1, 2)
	must(t, l.Sync())
	write(t, l, 3, 5, 6)
	name := nameOf(dir, 1)
	disk.name = filepath.Base(name)
	if err := l.Sync(); !errors.Is(err, errDisk) {
		t.Fatal(err)
	}
	disk.name = ""
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	_, err = f.WriteAt(make([]byte, 4*4), offsetsAt+4*2) // as the disk has them
	must(t, errors.Join(err, f.Close()))
	must(t, l.Sync())
	write(t, l, 7)
	must(t, l.Sync())
	must(t, l.Close())
	l = mustOpen(t, dir)
	defer l.Close()
	for _, serial := range []uint64{1, 2, 3, 5, 6, 7} {
		if !l.Whole(serial) || l.Dead(serial) {
			t.Errorf("record %d: whole %v, dead %v", serial, l.Whole(serial), l.Dead(serial))
		}
	}
	if l.Next() != 8 || !l.Dead(4) {
		t.Errorf("next %d, 4 is dead: %v", l.Next(), l.Dead(4))
	}
}

// A process is killed before its head is synced. The next one finds the head, and
// has nothing to write: it must sync it all the same.
func TestHeadOfAKilledProcessIsSynced(t *testing.T) {
	dir := t.TempDir()
	d := newDisk(t, dir, rand.New(rand.NewPCG(1, 1)))
	defer d.close()
	l, err := open(dir, d.fsync)
	must(t, err)
	write(t, l, 1, 2, 3)
	syncs := 0
	l.fsync = func(f *os.File) error {
		if filepath.Base(f.Name()) == filepath.Base(nameOf(dir, 1)) {
			if syncs++; syncs == 2 {
				return errKilled
			}
		}
		return d.fsync(f)
	}
	if err := l.Sync(); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	must(t, l.Close())
	l, err = open(dir, d.fsync)
	must(t, err)
	must(t, l.Sync())
	next := l.Next()
	must(t, l.Close())
	for range 20 {
		l := mustOpen(t, d.afterPowerLoss())
		if l.Next() < next {
			t.Fatalf("%d is the next, was %d", l.Next(), next)
		}
		must(t, l.Close())
	}
}
