package records

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A disk runs full while records are written, synced and collected, and is made
// larger. It takes root to mount one; without, the store's tests are all there is.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=2m"); err != nil {
		t.Logf("not tested: mounting a file system: %v", err)
		return
	}
	defer unix.Unmount(dir, unix.MNT_DETACH)
	l := mustOpen(t, dir)
	l.Limit(300_000, 1000)
	o := newOracle()
	next := uint64(1)
	commit := func(size int) error {
		list := []Record{{next, text(next, size)}, {next + 1, text(next+1, size)}}
		if err := l.Prepare(list); err != nil {
			return err
		}
		l.Commit()
		o.commit(list)
		next += 2
		return nil
	}
	// ballast leaves so many pages on the disk.
	ballast := filepath.Join(dir, "ballast")
	leave := func(pages int64) {
		t.Helper()
		must(t, os.RemoveAll(ballast))
		var st unix.Statfs_t
		must(t, unix.Statfs(dir, &st))
		if n := int64(st.Bfree) - pages; n > 0 {
			must(t, os.WriteFile(ballast, make([]byte, n*diskPage), 0o600))
		}
	}
	full := func(err error) bool { return errors.Is(err, syscall.ENOSPC) }
	for range 100 {
		must(t, commit(3000))
	}
	must(t, l.Sync())
	for pages := range int64(12) { // wherever it ends, in a segment or before one
		leave(pages)
		tries := 0
		for err := error(nil); !full(err); tries++ {
			if err = commit(1500 + 100*int(pages)); err != nil && !full(err) || tries > 1000 {
				t.Fatal(err)
			}
		}
		o.check(t, l)
		if err := l.Sync(); err != nil && !full(err) {
			t.Fatal(err)
		}
		for n := next - 40; n < next; n += 2 {
			if o.records[n] != nil {
				l.Drop(n)
				o.drop(n)
			}
		}
		if _, err := l.Collect(t.Context(), unneeded, atOnce); err != nil && !full(err) {
			t.Fatal(err)
		}
		o.check(t, l)
		leave(100)
		must(t, commit(100))
		must(t, l.Sync())
		if pages%3 == 0 {
			must(t, l.Close())
			l = mustOpen(t, dir)
			l.Limit(300_000, 1000)
		}
		o.check(t, l)
	}
	must(t, os.Remove(ballast))
	for n := range next {
		if n%3 > 0 && o.records[n] != nil {
			l.Drop(n)
			o.drop(n)
		}
	}
	must(t, l.Sync())
	leave(0)
	if n, err := l.Collect(t.Context(), unneeded, atOnce); !full(err) || n != 0 {
		t.Errorf("%d are collected on a full disk, %v", n, err)
	}
	o.check(t, l)
	must(t, os.Remove(ballast))
	must(t, unix.Mount("tmpfs", dir, "tmpfs", unix.MS_REMOUNT, "size=8m"))
	if n, err := l.Collect(t.Context(), unneeded, atOnce); err != nil || n == 0 {
		t.Errorf("%d are collected, %v", n, err)
	}
	o.check(t, l)
	for _, name := range filesOf(t, dir) {
		if filepath.Ext(name) == newSuffix {
			t.Error(fmt.Errorf("%s is left", name))
		}
	}
	must(t, l.Close())
	l = mustOpen(t, dir)
	defer l.Close()
	o.check(t, l)
}
