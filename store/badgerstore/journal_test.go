package badgerstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
	"moa/store/storetest"
)

// openFrames opens the journal in dir, and returns the numbers that the frames
// hold that are to be done again.
func openFrames(t testing.TB, dir string, log *slog.Logger) (j *journal, redone []uint64) {
	t.Helper()
	j, err := openJournal(dir, false, records.ID{}, log, nil, func(w *writes) error {
		if len(w.list) > 0 && len(w.list[0].key) == 8 { // others tell the floor, or the store's ID
			redone = append(redone, binary.BigEndian.Uint64(w.list[0].key))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	j.full = 2000
	return j, redone
}

func numbered(n uint64) *writes {
	w := new(writes)
	w.add(binary.BigEndian.AppendUint64(nil, n), bytes.Repeat([]byte{1}, int(n%100)), false)
	w.add([]byte("gone"), nil, true)
	return w
}

// The process ends at any point, with half a frame in the file or without.
// Everything that was appended since the last checkpoint is done again, in
// order, and nothing else but what came just before it.
func TestJournalHoldsWhatBadgerMayLack(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	dir := t.TempDir()
	log := new(strings.Builder)
	logger := slog.New(slog.NewTextHandler(log, nil))
	var n, floor uint64 // numbers appended, and what Badger has of them
	for range 300 {
		j, redone := openFrames(t, dir, logger)
		for i, got := range redone {
			if want := n - uint64(len(redone)-1-i); got != want {
				t.Fatalf("frame %d is redone in place of %d", got, want)
			}
		}
		if uint64(len(redone)) < n-floor {
			t.Fatalf("%d frames are redone, Badger lacks %d", len(redone), n-floor)
		}
		for range random.IntN(60) {
			if j.stuck() || random.IntN(20) == 0 {
				j.raise(j.end())
				floor = n
			}
			if random.IntN(20) == 0 {
				for range 1 + random.IntN(3) {
					failToSync(t, j, random.IntN(2) == 0)
				}
			}
			if err := j.append(numbered(n + 1)); err != nil {
				t.Fatal(err)
			}
			n++
		}
		f := j.files[j.at]
		if random.IntN(2) == 0 {
			if _, err := f.WriteAt([]byte(frameMagic+"half a frame of some bytes that is not a frame"), f.size); err != nil {
				t.Fatal(err)
			}
		}
		switch random.IntN(4) {
		case 0:
			if err := j.close(); err != nil {
				t.Fatal(err)
			}
			floor = n
		default:
			if err := j.closeFiles(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if log.Len() > 0 {
		t.Error(log)
	}
}

// failToSync appends a frame that is not synced, and that the disk then has or
// has not.
func failToSync(t *testing.T, j *journal, lost bool) {
	t.Helper()
	sync := j.sync
	defer func() { j.sync = sync }()
	at, from := j.at, j.files[j.at].size
	j.sync = func(f *os.File) error {
		if lost && at == j.at {
			if _, err := f.WriteAt(make([]byte, 46), from); err != nil {
				t.Fatal(err)
			}
		}
		return errors.New("by a test")
	}
	if err := j.append(numbered(0)); err == nil {
		t.Fatal("not synced, no error")
	}
}

// A client that writes events decides what bytes lie in the journal, but for a frame's
// head. An earlier lap's that look like a frame, right behind the last one when
// the process ends, are none.
func TestJournalTakesNoFrameFromAnEvent(t *testing.T) {
	const pad = 300
	for _, forged := range []*journal{{next: 1 << 62, floor: 1 << 62}, {next: 6, floor: 6}, {next: 6, floor: 1}} {
		dir := t.TempDir()
		log := slog.New(slog.DiscardHandler)
		file, err := os.Create(filepath.Join(t.TempDir(), "forged"))
		if err != nil {
			t.Fatal(err)
		}
		forged.sync, forged.full = func(*os.File) error { return nil }, 1<<20
		forged.files[0].File = file
		if err := errors.Join(forged.append(numbered(666)), file.Close()); err != nil {
			t.Fatal(err)
		}
		event := append(append(make([]byte, pad), forged.buf...), make([]byte, 2000)...)
		of := func(n uint64, value []byte) *writes {
			w := new(writes)
			w.add(binary.BigEndian.AppendUint64(nil, n), value, false)
			return w
		}
		j, _ := openFrames(t, dir, log)
		err = errors.Join(j.append(of(1, event)), j.append(of(2, event)))
		j.raise(j.end())
		err = errors.Join(err, j.append(of(3, make([]byte, pad))), j.closeFiles())
		if err != nil || j.at != 0 {
			t.Fatal(j.at, err)
		}
		j, redone := openFrames(t, dir, log)
		if !slices.Equal(redone, []uint64{3}) {
			t.Errorf("%v is redone, want 3, with a forged frame %d of floor %d", redone, forged.next-1, forged.floor)
		}
		if err := j.closeFiles(); err != nil {
			t.Fatal(err)
		}
	}
}

// The disk runs full in the middle of a frame. What was appended before is kept,
// and what is appended when there is room again. It takes root, as
// TestFullFileSystem does.
func TestJournalOnAFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=3m"); err != nil {
		t.Logf("not tested: mounting a file system: %v", err)
		return
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	log := slog.New(slog.DiscardHandler)
	j, _ := openFrames(t, dir, log)
	j.full = 100 << 20
	var want []uint64
	appended := func() (err error) {
		w := numbered(uint64(len(want)))
		w.list[0].value = make([]byte, 70_000)
		if err = j.append(w); err == nil {
			want = append(want, uint64(len(want)))
		}
		return err
	}
	var err error
	for err == nil {
		err = appended()
	}
	for range 3 {
		if err := asFull(appended()); !errors.Is(err, store.ErrFull) {
			t.Fatalf("error %v, want ErrFull", err)
		}
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=5m"); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		if err := appended(); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.closeFiles(); err != nil {
		t.Fatal(err)
	}
	j, redone := openFrames(t, dir, log)
	if !slices.Equal(redone, want) {
		t.Errorf("%v is redone, want %v", redone, want)
	}
	if err := j.close(); err != nil {
		t.Fatal(err)
	}
}

// gap appends 60 frames, of which a crash may take those from the 50th on from
// Badger, damages one, and opens the journal again. It goes over two files.
func gap(t *testing.T, victim int, damage func(f *os.File, from, to int64)) (redone []uint64, log string, err error) {
	t.Helper()
	dir := t.TempDir()
	logs := new(strings.Builder)
	j, _ := openFrames(t, dir, slog.New(slog.NewTextHandler(logs, nil)))
	j.full = 3000
	var of *os.File
	var from, to int64
	for n := range 60 {
		if n == 20 { // so that the second file is free
			j.raise(j.end())
		}
		at := j.files[j.at].size
		if err := j.append(numbered(uint64(n))); err != nil {
			t.Fatal(err)
		}
		if f := &j.files[j.at]; n == victim {
			of, from, to = f.File, at, f.size
			if from > to { // it has turned
				from = 0
			}
		}
		if n == 50 {
			j.raise(j.end() - 1)
		}
	}
	damage(of, from, to)
	if err := j.closeFiles(); err != nil {
		t.Fatal(err)
	}
	j, err = openJournal(dir, false, records.ID{}, slog.New(slog.NewTextHandler(logs, nil)), nil, func(w *writes) error {
		if len(w.list) > 0 {
			redone = append(redone, binary.BigEndian.Uint64(w.list[0].key))
		}
		return nil
	})
	if j != nil && err == nil {
		err = j.closeFiles()
	}
	return redone, logs.String(), err
}

// A byte in the middle of the journal goes bad, and the process is killed. The
// frames behind it are whole: what Badger may lack of them is done again, and
// that something is lost which it lacks is told. Nothing is guessed.
func TestJournalWithABadByte(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for victim := range 60 {
		redone, log, err := gap(t, victim, func(f *os.File, from, to int64) {
			at := from + random.Int64N(to-from)
			var b [1]byte
			if _, err := f.ReadAt(b[:], at); err != nil {
				t.Fatal(err)
			}
			b[0] ^= 1 << random.IntN(8)
			if _, err := f.WriteAt(b[:], at); err != nil {
				t.Fatal(err)
			}
		})
		switch {
		case victim < 50:
			if want := []uint64{50, 51, 52, 53, 54, 55, 56, 57, 58, 59}; err != nil || !slices.Equal(redone, want) {
				t.Errorf("frame %d: redone %v, want %v (%v)", victim, redone, want, err)
			}
			if victim > 40 && !strings.Contains(log, "damaged") {
				t.Errorf("frame %d: log %q", victim, log)
			}
		case victim < 59:
			if !errors.Is(err, store.ErrDamaged) || len(redone) > 0 {
				t.Errorf("frame %d: error %v, and %v redone; want ErrDamaged", victim, err, redone)
			}
		default: // it may be the torn end
			if want := []uint64{50, 51, 52, 53, 54, 55, 56, 57, 58}; err != nil || !slices.Equal(redone, want) {
				t.Errorf("frame %d: redone %v, want %v (%v)", victim, redone, want, err)
			}
		}
	}
}

// Whatever the files hold, opening neither fails nor takes more for a frame
// than what is one.
func FuzzJournal(f *testing.F) {
	frames := func(n int) []byte {
		dir := f.TempDir()
		j, _ := openFrames(f, dir, slog.New(slog.DiscardHandler))
		for i := range n {
			if err := j.append(numbered(uint64(i))); err != nil {
				f.Fatal(err)
			}
		}
		if err := j.closeFiles(); err != nil {
			f.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "journal.0"))
		if err != nil {
			f.Fatal(err)
		}
		return b
	}
	f.Add(frames(1), frames(2))
	f.Add(frames(9), []byte(frameMagic))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		dir := t.TempDir()
		for i, text := range [][]byte{a, b} {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("journal.%d", i)), text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		redone := 0
		j, err := openJournal(dir, false, records.ID{}, slog.New(slog.DiscardHandler), nil, func(w *writes) error {
			redone++
			return nil
		})
		if redone > (len(a)+len(b))/frameHead {
			t.Fatalf("%d frames in %d bytes", redone, len(a)+len(b))
		}
		if err != nil { // a right sum over what is no write
			return
		}
		if err := j.close(); err != nil {
			t.Fatal(err)
		}
	})
}

// A batch takes several frames. Whatever frame of it is the floor when the process is
// killed, Badger, which may have them all, is not too old for the journal.
func TestBadgerMayBeAheadOfEveryFrame(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	mustCommit(t, s, note(1, 1))
	tags := func(n int, name string) (list []event.Tag) {
		for i := range n {
			list = append(list, event.Tag{name, fmt.Sprintf("%064x", i)})
		}
		return list
	}
	mustCommit(t, s,
		storetest.Make(storetest.Key(1), event.KindDeletion, 10, "", tags(3000, "e")...),
		note(1, 20, tags(5000, "t")...)) // does not fit into a frame with the marks of what is deleted
	found, closeFiles, err := readJournal(s.opt.Dir)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFiles()
	var last state
	for i := range found.frames {
		w, err := found.frames[i].read()
		if err != nil {
			t.Fatal(err)
		}
		if st, ok := w.state(); ok {
			if last.serial == st.serial && st.events > last.events {
				t.Errorf("frame %d: state %v after %v", i, st, last)
			}
			last = st
		}
	}
	if len(found.frames) < 4 {
		t.Fatalf("%d frames", len(found.frames))
	}
	for i := range found.frames {
		found.floor = found.frames[i].number
		if promised, err := found.promised(); err != nil || last.before(promised) {
			t.Errorf("with the floor at frame %d %v is promised, and there is %v (%v)", i, promised, last, err)
		}
	}
}
