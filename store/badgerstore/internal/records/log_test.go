package records

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// noSync does not wait for the disk.
func noSync(*os.File) error { return nil }

// atOnce runs a function that nobody is in the way of.
func atOnce() error { return nil }

func mustOpen(t testing.TB, dir string) *Log {
	t.Helper()
	l, err := open(dir, noSync)
	if err != nil {
		t.Fatal(err)
	}
	l.Limit(4000, 60)
	return l
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// text is a record that nobody mistakes for another.
func text(serial uint64, size int) []byte {
	b := binary.BigEndian.AppendUint64(nil, serial)
	return append(b, bytes.Repeat([]byte{byte(serial*7 + 1)}, size)...)
}

func write(t testing.TB, l *Log, serials ...uint64) {
	t.Helper()
	var list []Record
	for _, n := range serials {
		list = append(list, Record{n, text(n, 100)})
	}
	must(t, l.Prepare(list))
	l.Commit()
}

// oracle is what a Log should hold.
type oracle struct {
	records map[uint64][]byte // living
	dead    map[uint64]bool   // dropped, and those that never were
	next    uint64
}

func newOracle() *oracle { return &oracle{records: map[uint64][]byte{}, dead: map[uint64]bool{}} }

func (o *oracle) clone() *oracle {
	return &oracle{maps.Clone(o.records), maps.Clone(o.dead), o.next}
}

func (o *oracle) commit(list []Record) {
	for _, r := range list {
		o.records[r.Serial] = r.Bytes
		o.next = r.Serial + 1
	}
}

func (o *oracle) drop(serial uint64) {
	delete(o.records, serial)
	o.dead[serial] = true
}

// check wants every serial to be as the oracle has it.
func (o *oracle) check(t testing.TB, l *Log) {
	t.Helper()
	for n := range o.next + 3 {
		want, living := o.records[n]
		got := l.Get(n)
		switch {
		case living && !bytes.Equal(got, want):
			t.Fatalf("record %d is %.20q, want %.20q", n, got, want)
		case living && (!l.Whole(n) || l.Dead(n)):
			t.Fatalf("record %d: whole %v, dead %v", n, l.Whole(n), l.Dead(n))
		case !living && o.dead[n] && !l.Dead(n):
			t.Fatalf("record %d is not dead any more", n)
		case !living && got != nil && !l.Dead(n):
			t.Fatalf("there is a record %d that was never written", n)
		case !living && !o.dead[n] && l.Dead(n) && n >= o.next:
			t.Fatalf("record %d is dead before it was written", n)
		}
	}
	if st := l.Stats(); st.Records-st.Dead != len(o.records) {
		t.Fatalf("%+v, want %d that are not dead", st, len(o.records))
	}
}

// batch makes records of the serials from next on, with gaps now and then.
func batch(random *rand.Rand, next uint64) (list []Record) {
	if next == 0 || random.IntN(12) == 0 {
		next += uint64(1 + random.IntN(150)) // more than a segment takes
	}
	for range 1 + random.IntN(25) {
		if random.IntN(6) == 0 {
			next += uint64(random.IntN(4))
		}
		size := random.IntN(200)
		if random.IntN(40) == 0 {
			size = 6000 // more than a segment takes
		}
		list = append(list, Record{next, text(next, size)})
		next++
	}
	return list
}

// step does something to both, and returns what it was.
func step(t testing.TB, random *rand.Rand, l *Log, o *oracle) string {
	list := batch(random, o.next)
	switch n := random.IntN(20); {
	case n < 9:
		must(t, l.Prepare(list))
		l.Commit()
		o.commit(list)
		return "commit"
	case n < 11:
		must(t, l.Prepare(list)) // and no Commit, as if the journal had failed
		return "prepare"
	case n < 15 && o.next > 0:
		most := random.Uint64N(o.next) + 1
		for n := range o.next {
			if o.records[n] != nil && n < most && most-n < 70 && random.IntN(3) > 0 {
				l.Drop(n)
				o.drop(n)
			}
		}
		return "drop"
	case n < 17:
		must(t, l.Sync())
		return "sync"
	}
	must(t, l.Sync())
	if _, err := l.Collect(t.Context(), unneeded, atOnce); err != nil {
		t.Fatal(err)
	}
	return "collect"
}

// What was written is there, as it was written, whatever was dropped, collected
// and opened again since. Of what was not synced it may lack the end; then that
// is written again as it was, and nobody sees a difference.
func FuzzLog(f *testing.F) {
	for seed := range uint64(20) {
		f.Add(seed)
	}
	f.Add(uint64(111)) // prepared in vain before an empty file, which is used then
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 1))
		dir := t.TempDir()
		l, o := mustOpen(t, dir), newOracle()
		promised := o.clone()
		var since []func(l *Log) // what was done since the last sync, to be done again
		for range 120 {
			before := o.clone()
			switch done := step(t, random, l, o); done {
			case "commit":
				var list []Record
				for _, n := range slices.Sorted(maps.Keys(o.records)) {
					if n >= before.next {
						list = append(list, Record{n, o.records[n]})
					}
				}
				since = append(since, func(l *Log) { redo(t, l, list) })
			case "drop":
				dropped := o.clone().dead
				since = append(since, func(l *Log) {
					for n := range dropped {
						l.Drop(n)
					}
				})
			case "sync", "collect":
				promised, since = o.clone(), nil
			}
			switch random.IntN(20) {
			case 0: // killed, or closed without a Sync
				must(t, l.Close())
				l = mustOpen(t, dir)
				if l.Next() < lastOf(promised)+1 && len(promised.records) > 0 {
					t.Fatalf("what follows %d is gone, %d were promised", l.Next(), lastOf(promised))
				}
				for n, want := range promised.records {
					if !l.Dead(n) && !bytes.Equal(l.Get(n), want) {
						t.Fatalf("record %d was promised", n)
					}
				}
				for _, again := range since {
					again(l)
				}
			case 1:
				if o.next > 0 && len(since) == 0 {
					last := o.next - 1 - random.Uint64N(min(o.next, 40))
					must(t, l.Truncate(last))
					for n := last + 1; n < o.next; n++ {
						delete(o.records, n)
						delete(o.dead, n)
					}
					o.next = min(o.next, last+1)
					must(t, l.Sync())
					promised = o.clone()
				}
			}
			o.check(t, l)
		}
		must(t, l.Close())
	})
}

func lastOf(o *oracle) (last uint64) {
	for n := range o.records {
		last = max(last, n)
	}
	return last
}

// redo writes what is missing of what was written, as the journal does.
func redo(t testing.TB, l *Log, list []Record) {
	t.Helper()
	var missing []Record
	for _, r := range list {
		if r.Serial >= l.Next() {
			missing = append(missing, r)
		}
	}
	must(t, l.Prepare(missing))
	l.Commit()
}

// What was dropped is gone from the disk after Collect, and what was not is
// there, now and after the next Open.
func TestCollectGivesTheRoomBack(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	o := newOracle()
	for n := uint64(1); n < 200; n += 10 {
		var list []Record
		for i := range uint64(10) {
			list = append(list, Record{n + i, text(n+i, 300)})
		}
		must(t, l.Prepare(list))
		l.Commit()
		o.commit(list)
	}
	for n := range uint64(200) {
		if n%2 == 0 || n > 20 && n < 60 {
			l.Drop(n)
			o.drop(n)
		}
	}
	must(t, l.Sync())
	for range 100 {
		dropped, err := l.Collect(t.Context(), unneeded, atOnce)
		if err != nil {
			t.Fatal(err)
		}
		if dropped == 0 {
			break
		}
	}
	o.check(t, l)
	must(t, l.Close())
	var all []byte
	for _, name := range filesOf(t, dir) {
		b, err := os.ReadFile(name)
		must(t, err)
		all = append(all, b[min(recordsAt, len(b)):]...)
	}
	for n := uint64(1); n < 200; n++ {
		if there := bytes.Contains(all, text(n, 300)); there != (o.records[n] != nil) {
			t.Errorf("record %d is on the disk: %v", n, there)
		}
	}
	l = mustOpen(t, dir)
	defer l.Close()
	o.check(t, l)
	write(t, l, 201)
}

func filesOf(t testing.TB, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range list {
		names = append(names, filepath.Join(dir, f.Name()))
	}
	return names
}

// A small last segment of which all is dead does not keep others from being
// collected.
func TestSmallLastSegmentHidesNoWaste(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	defer l.Close()
	for n := range uint64(61) {
		write(t, l, n)
	}
	l.limits.collect = collectBytes
	for n := range uint64(61) {
		if n%2 == 0 {
			l.Drop(n)
		}
	}
	must(t, l.Sync())
	if dropped, err := l.Collect(t.Context(), unneeded, atOnce); dropped == 0 || err != nil {
		t.Fatalf("%d are collected, %v", dropped, err)
	}
}

// Serials in the middle of a segment's span, and at its end, with the limits of
// real segments.
func TestSegmentsEndWithTheirSpan(t *testing.T) {
	dir := t.TempDir()
	l, err := open(dir, noSync)
	must(t, err)
	write(t, l, 7)
	write(t, l, 7+mostSerials-1) // the last that belongs to it
	write(t, l, 7+mostSerials)
	must(t, l.Sync())
	must(t, l.Close())
	l, err = open(dir, noSync)
	must(t, err)
	defer l.Close()
	if st := l.Stats(); st.Segments != 2 || st.Records-st.Dead != 3 {
		t.Fatalf("%+v", st)
	}
	for _, n := range []uint64{7, 7 + mostSerials - 1, 7 + mostSerials} {
		if !bytes.Equal(l.Get(n), text(n, 100)) {
			t.Errorf("record %d is gone", n)
		}
	}
	for _, n := range []uint64{0, 6, 8, 7 + mostSerials - 2, 7 + mostSerials + 1} {
		if l.Get(n) != nil || l.Whole(n) {
			t.Errorf("there is a record %d", n)
		}
	}
	if err := l.Prepare([]Record{{100, nil}}); err == nil {
		t.Error("a serial is written a second time")
	}
	if err := l.Prepare([]Record{{1 << 30, nil}, {1<<30 + mostSerials, nil}}); err == nil {
		t.Error("one batch has more serials than a segment")
	}
}

// A folder's name may have in it what patterns are made of.
func TestFolderOfAnyName(t *testing.T) {
	dir := filepath.Join(t.TempDir(), `[a-b]*?\`)
	must(t, os.Mkdir(dir, 0o700))
	l := mustOpen(t, dir)
	write(t, l, 1, 2, 3)
	must(t, l.Sync())
	must(t, l.Close())
	l = mustOpen(t, dir)
	defer l.Close()
	if l.Next() != 4 || l.Get(2) == nil {
		t.Fatalf("the records are gone: %d", l.Next())
	}
}

// A collection that is broken off, by its caller or by a reader that never ends,
// leaves everything as it was.
func TestCollectBrokenOff(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	defer l.Close()
	o := newOracle()
	var list []Record
	for n := range uint64(50) {
		list = append(list, Record{n, text(n, 50)})
	}
	must(t, l.Prepare(list))
	l.Commit()
	o.commit(list)
	for n := range uint64(30) {
		l.Drop(n)
		o.drop(n)
	}
	must(t, l.Sync())
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	busy := fmt.Errorf("busy")
	for _, try := range []func() (int, error){
		func() (int, error) { return l.Collect(ended, unneeded, atOnce) },
		func() (int, error) { return l.Collect(t.Context(), unneeded, func() error { return busy }) },
	} {
		if dropped, err := try(); err == nil || dropped != 0 {
			t.Fatalf("%d, %v", dropped, err)
		}
		o.check(t, l)
		for _, name := range filesOf(t, dir) {
			if filepath.Ext(name) == newSuffix {
				t.Errorf("%s is left", name)
			}
		}
	}
	if dropped, err := l.Collect(t.Context(), unneeded, atOnce); dropped != 30 || err != nil {
		t.Fatalf("%d, %v", dropped, err)
	}
	o.check(t, l)
}

// To find a record and to ask whether it is dead allocates nothing.
func TestGetAllocatesNothing(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	defer l.Close()
	write(t, l, 1, 2, 3)
	if n := testing.AllocsPerRun(100, func() {
		if l.Get(2) == nil || l.Dead(2) || !l.Whole(2) {
			t.Error("it is gone")
		}
	}); n != 0 {
		t.Fatalf("%v allocations", n)
	}
}

// While a journal is done again there is an empty file behind, which Adopt may want;
// of what is prepared and never committed nothing is left in the way of what is.
func TestPreparedInVainBeforeAnEmptyFile(t *testing.T) {
	dir := t.TempDir()
	l := mustOpen(t, dir)
	l.Limit(9000, 60)
	write(t, l, 1, 2, 3)
	must(t, l.Sync())
	must(t, l.Prepare([]Record{{1000, text(1000, 10)}})) // in a file of its own
	must(t, l.Close())
	l = mustOpen(t, dir)
	defer l.Close()
	l.Limit(9000, 60)
	for _, serial := range []uint64{100, 200, 100, 300, 150} {
		must(t, l.Prepare([]Record{{serial, text(serial, 10)}}))
	}
	must(t, l.Prepare([]Record{{100, text(100, 10)}}))
	l.Commit()
	write(t, l, 101, 170, 400)
	for _, serial := range []uint64{1, 2, 3, 100, 101, 170, 400} {
		if !l.Whole(serial) {
			t.Errorf("record %d is not there", serial)
		}
	}
}

// What Truncate makes the last segment again takes records, although Collect has
// written it anew since.
func TestACollectedSegmentTakesRecordsAfterTruncate(t *testing.T) {
	l := mustOpen(t, t.TempDir())
	defer l.Close()
	write(t, l, 1, 2, 3, 4, 5, 6)
	for serial := range uint64(4) {
		l.Drop(serial)
	}
	must(t, l.Sync())
	if dropped, err := l.Collect(t.Context(), unneeded, atOnce); err != nil || dropped != 3 {
		t.Fatal(dropped, err)
	}
	must(t, l.Truncate(5))
	write(t, l, 6, 7, 8, 9)
	for serial := uint64(4); serial < 10; serial++ {
		if !bytes.Equal(l.Get(serial), text(serial, 100)) || !l.Whole(serial) {
			t.Errorf("record %d is %.20q", serial, l.Get(serial))
		}
	}
}
