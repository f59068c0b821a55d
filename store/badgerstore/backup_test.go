package badgerstore

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
	"moa/store/storetest"
)

// backUp writes a backup into a new folder.
func backUp(t testing.TB, b *Backup) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "backup")
	s, err := Stage(dir, ".part")
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abandon()
	if damaged, err := b.Write(t.Context(), s, nil); err != nil || len(damaged) > 0 {
		t.Fatal(damaged, err)
	}
	if err := s.Place(""); err != nil {
		t.Fatal(err)
	}
	return dir
}

// holdsAll wants in the folder a sound store with just that.
func holdsAll(t *testing.T, dir string, want []held) {
	t.Helper()
	s := smallStore(t, dir)
	defer s.Close()
	if got := serialsOf(t, s); !slices.Equal(got, want) {
		t.Fatalf("%d events, want %d", len(got), len(want))
	}
	checkSound(t, s, len(want))
}

// A backup is written while the store goes on: events are added, removed and
// collected meanwhile, and it has none of that.
func TestABackupIsTheStoreAtOnePointInTime(t *testing.T) {
	s := mixed(t, 3)
	defer s.Close()
	want := serialsOf(t, s)
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	b.Add("moderation.jsonl", []byte("{}\n"))
	var ids []event.ID
	for i, h := range want {
		if i%2 == 0 {
			ids = append(ids, h.id)
		}
	}
	mustCommit(t, s, note(70, 1), note(71, 2))
	if _, err := s.Remove(t.Context(), ids); err != nil {
		t.Fatal(err)
	}
	s.Collect(t.Context())
	dir := backUp(t, b)
	var stream bytes.Buffer
	if _, err := b.WriteStream(t.Context(), &stream, nil); err != nil {
		t.Fatal(err)
	}
	now := serialsOf(t, s)
	also := []string{"moderation.jsonl"}
	if m, damaged, err := CheckBackup(t.Context(), dir, also, nil); err != nil || len(damaged) > 0 || m.Events != uint64(len(want)) {
		t.Fatal(m, damaged, err)
	}
	for name, r := range map[string]Restoring{"folder": {From: dir}, "stream": {Stream: &stream}} {
		r.To, r.Also = Options{Dir: filepath.Join(t.TempDir(), name), CacheMB: 32}, also
		done, err := Restore(t.Context(), r)
		if err != nil || done.Repair.Events != uint64(len(want)) || done.Old != "" {
			t.Fatalf("%s: %+v, %v", name, done, err)
		}
		holdsAll(t, r.To.Dir, want)
		restored := smallStore(t, r.To.Dir)
		if ours, its := s.records.ID(), restored.records.ID(); ours == its {
			t.Errorf("%s: both are store %x: their files could be mixed", name, its)
		}
		mustHold(t, restored.Close())
		if got, err := os.ReadFile(filepath.Join(r.To.Dir, "moderation.jsonl")); err != nil || string(got) != "{}\n" {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	if got := serialsOf(t, s); !slices.Equal(got, now) {
		t.Error("the store has changed")
	}
	// The backup is not that of the restored store: it stays whole.
	if _, _, err := CheckBackup(t.Context(), dir, also, nil); err != nil {
		t.Error(err)
	}
}

// What was synced and will not change is linked, where the disk can.
func TestABackupTakesNoRoomTwice(t *testing.T) {
	s := mixed(t, 5)
	defer s.Close()
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	dir := backUp(t, b)
	linked := 0
	for _, c := range b.records.Files {
		ours, err1 := os.Stat(filepath.Join(s.opt.Dir, c.Name))
		copied, err2 := os.Stat(filepath.Join(dir, c.Name))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if os.SameFile(ours, copied) {
			linked++
		}
	}
	if linked == 0 {
		t.Errorf("none of %d files is linked", len(b.records.Files))
	}
	mustCommit(t, s, note(90, 1), note(91, 1)) // nothing is written to a file that has two names
	if _, _, err := CheckBackup(t.Context(), dir, nil, nil); err != nil {
		t.Error(err)
	}
}

// An empty store can be backed up, too.
func TestABackupOfNothing(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	to := Options{Dir: filepath.Join(t.TempDir(), "data"), CacheMB: 32}
	if _, err := Restore(t.Context(), Restoring{From: backUp(t, b), To: to}); err != nil {
		t.Fatal(err)
	}
	holdsAll(t, to.Dir, nil)
}

// A bad byte anywhere in a backup, a missing file or a stream that is cut off is
// found before the store that is there is touched.
func TestADamagedBackupReplacesNothing(t *testing.T) {
	s := mixed(t, 7)
	defer s.Close()
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	dir := backUp(t, b)
	var stream bytes.Buffer
	if _, err := b.WriteStream(t.Context(), &stream, nil); err != nil {
		t.Fatal(err)
	}
	old := smallStore(t, t.TempDir())
	mustCommit(t, old, note(1, 1))
	want := serialsOf(t, old)
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	refused := func(what string, r Restoring) {
		t.Helper()
		r.To, r.Replace = Options{Dir: old.opt.Dir, CacheMB: 32}, true
		if _, err := Restore(t.Context(), r); !errors.Is(err, ErrBackup) {
			t.Errorf("%s: %v", what, err)
		}
		if there(old.opt.Dir + ".restoring") {
			t.Errorf("%s: something is left behind", what)
		}
	}
	for _, name := range namesIn(t, dir) {
		path := filepath.Join(dir, name)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := bytes.Clone(whole)
		bad[len(bad)/2] ^= 1
		for what, text := range map[string][]byte{"a bad byte": bad, "cut off": whole[:len(whole)-1], "too long": append(bytes.Clone(whole), 0)} {
			// A link would have the store's own file changed.
			if err := errors.Join(os.Remove(path), os.WriteFile(path, text, 0o600)); err != nil {
				t.Fatal(err)
			}
			refused(name+": "+what, Restoring{From: dir})
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		refused(name+" is missing", Restoring{From: dir})
		if err := os.WriteFile(path, whole, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for at := 0; at < stream.Len()-1024; at += stream.Len()/50 + 1 { // which ends with 1024 zeros
		refused("a stream cut off", Restoring{Stream: bytes.NewReader(stream.Bytes()[:at])})
	}
	for at := 100; at < stream.Len()-1024; at += stream.Len()/50 + 1 {
		bad := bytes.Clone(stream.Bytes())
		bad[at] ^= 1
		r := Restoring{Stream: bytes.NewReader(bad), To: Options{Dir: filepath.Join(t.TempDir(), "new"), CacheMB: 32}}
		if _, err := Restore(t.Context(), r); err == nil { // what is between the files counts for nothing
			holdsAll(t, r.To.Dir, serialsOf(t, s))
		} else if !errors.Is(err, ErrBackup) || there(r.To.Dir) {
			t.Errorf("a stream with a bad byte at %d: %v", at, err)
		}
	}
	holdsAll(t, old.opt.Dir, want)
}

// A store that is there is replaced only if that was asked for, and kept then; one
// that is in use is not.
func TestRestoreKeepsWhatWasThere(t *testing.T) {
	s := mixed(t, 9)
	defer s.Close()
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	r := Restoring{From: backUp(t, b), To: Options{Dir: filepath.Join(t.TempDir(), "data"), CacheMB: 32}, Also: []string{"relay.key"}}
	old := smallStore(t, r.To.Dir)
	mustCommit(t, old, note(1, 1))
	want := serialsOf(t, old)
	if err := os.WriteFile(filepath.Join(r.To.Dir, "relay.key"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.Replace = true
	if _, err := Restore(t.Context(), r); !errors.Is(err, ErrLocked) {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	r.Replace = false
	if _, err := Restore(t.Context(), r); !errors.Is(err, ErrExists) {
		t.Fatal(err)
	}
	r.Replace = true
	done, err := Restore(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	holdsAll(t, r.To.Dir, serialsOf(t, s))
	holdsAll(t, done.Old, want)
	if got, err := os.ReadFile(filepath.Join(r.To.Dir, "relay.key")); err != nil || string(got) != "secret" || !slices.Equal(done.Kept, []string{"relay.key"}) {
		t.Errorf("the key is %q, %v, %v", got, done.Kept, err)
	}
}

// A damaged event is in the backup as it is, and told.
func TestABackupTellsOfDamage(t *testing.T) {
	s := mixed(t, 11)
	defer s.Close()
	all := serialsOf(t, s)
	lost := all[len(all)/2]
	if err := s.checkpoint(); err != nil {
		t.Fatal(err)
	}
	damageEvent(t, s.opt.Dir, lost.id)
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	dir := filepath.Join(t.TempDir(), "backup")
	stage, err := Stage(dir, ".part")
	if err != nil {
		t.Fatal(err)
	}
	damaged, err := b.Write(t.Context(), stage, nil)
	if err != nil || !slices.Equal(damaged, []uint64{uint64(lost.serial)}) {
		t.Fatalf("%v, %v, want %d", damaged, err, lost.serial)
	}
	if err := stage.Place(""); err != nil {
		t.Fatal(err)
	}
	to := Options{Dir: filepath.Join(t.TempDir(), "data"), CacheMB: 32}
	done, err := Restore(t.Context(), Restoring{From: dir, To: to})
	if err != nil || !slices.Equal(done.Damaged, damaged) {
		t.Fatal(done, err)
	}
	restored := smallStore(t, to.Dir)
	defer restored.Close()
	if got := serialsOf(t, restored); len(got) != len(all)-1 {
		t.Errorf("%d events of %d", len(got), len(all))
	}
}

func mustHold(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// damageEvent changes a byte of an event in its file of records.
func damageEvent(t *testing.T, dir string, id event.ID) {
	t.Helper()
	for _, name := range namesIn(t, dir) {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if at := bytes.Index(text, id[:]); records.IsSegment(name) && at >= 0 {
			f, err := os.OpenFile(path, os.O_WRONLY, 0)
			if err == nil {
				_, err = f.WriteAt([]byte{^text[at]}, int64(at))
				err = errors.Join(err, f.Close())
			}
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
	t.Fatalf("%s is nowhere", id)
}

// Two cannot write the same backup, and what a killed one has left is no obstacle.
func TestAnUnfinishedBackupIsBegunAnew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "backup")
	first, err := Stage(dir, ".part")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Stage(dir, ".part"); !errors.Is(err, ErrBusy) {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(first.Dir(), "records.dead"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	first.lock.Close() // as the end of its process does
	second, err := Stage(dir, ".part")
	if err != nil {
		t.Fatal(err)
	}
	if names := namesIn(t, second.Dir()); !slices.Equal(names, []string{stageMark}) {
		t.Errorf("there is %v", names)
	}
	second.Abandon()

	// One that was killed as it gave the folder its name.
	third, err := Stage(dir, ".part")
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, errors.Join(os.WriteFile(filepath.Join(third.Dir(), BackupManifest), nil, 0o600), os.Remove(filepath.Join(third.Dir(), stageMark))))
	third.lock.Close()
	fourth, err := Stage(dir, ".part")
	if err != nil {
		t.Fatal(err)
	}
	mustHold(t, errors.Join(os.WriteFile(filepath.Join(fourth.Dir(), "MANIFEST"), []byte("old"), 0o600), os.Remove(filepath.Join(fourth.Dir(), stageMark))))
	fourth.lock.Close()
	fifth, err := Stage(dir, ".part")
	if err != nil {
		t.Fatal(err)
	}
	fifth.Abandon()
	old, err := filepath.Glob(dir + ".before-*")
	if err != nil || len(old) != 1 {
		t.Fatalf("%v, %v", old, err)
	}
	if got, err := os.ReadFile(filepath.Join(old[0], "MANIFEST")); err != nil || string(got) != "old" {
		t.Errorf("the store that was moved aside is %q, %v", got, err)
	}
	if err := os.MkdirAll(filepath.Join(dir+".part", "mine"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := Stage(dir, ".part"); err == nil || !there(filepath.Join(dir+".part", "mine")) {
		t.Errorf("a folder of somebody else's: %v", err)
	}
}

// What no record tells any more is in the notes of collections, and they are in the
// backup: an address stays barred, and what is deleted stays away.
func TestABackupHasTheNotesOfCollections(t *testing.T) {
	s := smallStore(t, t.TempDir())
	defer s.Close()
	s.SmallRecords()
	author := storetest.Key(1)
	profile := func(at int64) *event.Event { return storetest.Make(author, 0, at, "{}") }
	newer := profile(200)
	mustCommit(t, s, profile(100), newer)
	mustCommit(t, s, storetest.Make(author, event.KindDeletion, 201, "", event.Tag{"e", newer.ID.String()}))
	var gone []event.ID
	for i := range 400 {
		e := note(2, int64(i))
		mustCommit(t, s, e)
		gone = append(gone, e.ID)
	}
	if _, err := s.Remove(t.Context(), gone); err != nil {
		t.Fatal(err)
	}
	s.Collect(t.Context())
	if s.records.Whole(1) {
		t.Fatal("the first version is still there")
	}
	b, err := s.Backup()
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	to := Options{Dir: filepath.Join(t.TempDir(), "data"), CacheMB: 32}
	if _, err := Restore(t.Context(), Restoring{From: backUp(t, b), To: to}); err != nil {
		t.Fatal(err)
	}
	restored := smallStore(t, to.Dir)
	defer restored.Close()
	for at, want := range map[int64]store.Outcome{90: store.Stale, 200: store.Deleted} {
		r, err := restored.Commit(t.Context(), 0, []*event.Event{profile(at)})
		if err != nil || r[0].Outcome != want {
			t.Errorf("the version of %d: %v, %v; want %v", at, r, err, want)
		}
	}
}
