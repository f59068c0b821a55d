package records

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
)

// flip changes a byte of a file.
func flip(t testing.TB, name string, at int64) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	must(t, err)
	defer f.Close()
	var b [1]byte
	_, err = f.ReadAt(b[:], at)
	must(t, err)
	b[0] ^= 0x10
	_, err = f.WriteAt(b[:], at)
	must(t, err)
}

// threeSegments makes a folder of them, and returns their names.
func threeSegments(t *testing.T) (dir string, names []string) {
	t.Helper()
	dir = t.TempDir()
	l := mustOpen(t, dir)
	for n := range uint64(150) {
		write(t, l, n)
	}
	must(t, l.Sync())
	for _, s := range *l.segments.Load() {
		names = append(names, nameOf(dir, s.base))
	}
	must(t, l.Close())
	if len(names) < 3 {
		t.Fatal(names)
	}
	return dir, names
}

// A file that cannot be what it was is named, and nothing is taken for lost in
// silence, nor removed.
func TestDamagedFilesAreNamed(t *testing.T) {
	for what, damage := range map[string]func(name string) error{
		"shorter":       func(name string) error { return os.Truncate(name, recordsAt+200) },
		"much shorter":  func(name string) error { return os.Truncate(name, offsetsAt) },
		"empty":         func(name string) error { return os.Truncate(name, 0) },
		"head of zeros": func(name string) error { return overwrite(name, 0, make([]byte, diskPage)) },
		"magic":         func(name string) error { return overwrite(name, 0, []byte("what")) },
		"version":       func(name string) error { return rehead(name, func(b []byte) { b[4] = 2 }) },
		"base":          func(name string) error { return rehead(name, func(b []byte) { b[8]++ }) },
		"count":         func(name string) error { return rehead(name, func(b []byte) { b[19] = 1 }) },
		"end":           func(name string) error { return rehead(name, func(b []byte) { b[29] = 1 }) },
		"small end":     func(name string) error { return rehead(name, func(b []byte) { clear(b[24:32]) }) },
		"too many":      func(name string) error { return rehead(name, func(b []byte) { b[16] += 20 }) },
		"a flipped bit": func(name string) error { return overwrite(name, 17, []byte{0xff}) },
	} {
		t.Run(what, func(t *testing.T) {
			dir, names := threeSegments(t)
			must(t, damage(names[1]))
			for range 2 {
				l, err := open(dir, noSync)
				if err == nil {
					l.Close()
				}
				// Too many serials are seen at the next one.
				if err == nil || !strings.Contains(err.Error(), names[1]) && !strings.Contains(err.Error(), names[2]) {
					t.Fatalf("error %v, want that %s is damaged", err, names[1])
				}
			}
		})
	}
}

func overwrite(name string, at int64, b []byte) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteAt(b, at)
	return errors.Join(err, f.Close())
}

// rehead changes a head, with its sum.
func rehead(name string, change func(b []byte)) error {
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	b := make([]byte, segmentHead)
	if _, err := f.ReadAt(b, 0); err != nil {
		return err
	}
	change(b)
	binary.LittleEndian.PutUint32(b[32:], crc32.Checksum(b[:32], castagnoli))
	_, err = f.WriteAt(b, 0)
	return err
}

// Whatever is in a record or in the offsets, nobody gets another record for it,
// and nothing panics.
func TestDamagedBytesAreSeen(t *testing.T) {
	dir, names := threeSegments(t)
	random := rand.New(rand.NewPCG(3, 3))
	for range 400 {
		l := mustOpen(t, dir)
		s := (*l.segments.Load())[1]
		at := offsetsAt + random.Int64N(4*int64(s.count.Load()))
		if random.IntN(2) == 0 {
			at = recordsAt + random.Int64N(s.end.Load()-recordsAt)
		}
		flip(t, names[1], at)
		seen := 0
		for n := range uint64(150) {
			var buf []byte
			got := l.Get(n)
			read, err := l.Read(n, &buf)
			must(t, err)
			if want := string(text(n, 100)); l.Whole(n) != (read != nil) || read != nil && (string(read) != want || string(got) != want) {
				t.Fatalf("record %d is %q, and read %q", n, got, read)
			}
			if !l.Whole(n) {
				seen++
			}
		}
		if seen != 1 {
			t.Fatalf("%d records are damaged by byte %d", seen, at)
		}
		flip(t, names[1], at)
		must(t, l.Close())
	}
}

// A segment with a record that cannot be copied is kept as it is: what is left of
// it may be all there is. Others are collected.
func TestDamagedSegmentIsNotCollected(t *testing.T) {
	dir, names := threeSegments(t)
	flip(t, names[0], offsetsAt+4*7)
	l := mustOpen(t, dir)
	defer l.Close()
	for n := range uint64(140) {
		if n%3 > 0 && n != 7 {
			l.Drop(n)
		}
	}
	must(t, l.Sync())
	failed, collected := 0, 0
	for range 20 {
		n, err := l.Collect(t.Context(), unneeded, atOnce)
		if errors.Is(err, ErrDamaged) {
			failed++
			continue
		}
		must(t, err)
		collected += n
	}
	alive := (*l.segments.Load())[0]
	if l.Dead(7) || alive.base != 0 || failed != 1 || collected == 0 {
		t.Errorf("failed %d times, collected %d", failed, collected)
	}
	if l.Whole(7) || l.Get(6) == nil || !l.Whole(6) {
		t.Error("the other records are not as they were")
	}
}
