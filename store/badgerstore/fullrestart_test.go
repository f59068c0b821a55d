package badgerstore_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/storetest"
)

// A process with fullDir in its environment is one of TestStopAndStartOnAFullDisk.
const fullDir = "MOA_FULL_DIR"

func fullOptions(dir string) badgerstore.Options {
	return badgerstore.Options{Dir: dir, CacheMB: 32, HotMB: -1, ReserveMB: 40}
}

// fullChild opens the store, says what is acknowledged, and closes it when it is told to.
func fullChild(dir string) {
	s, err := badgerstore.Open(fullOptions(dir))
	if err != nil {
		fmt.Println("open", errors.Is(err, store.ErrFull), err)
		return
	}
	c := storetest.NewCorpus(7)
	for i := range 40 {
		// Little is on its way to Badger from here on, so that nothing
		// writes while the disk is filled: that is not what is tried here.
		if i == 38 {
			if err := s.Flush(); err != nil {
				fmt.Println("flush", err)
				return
			}
		}
		batch := c.Batch(100)
		results, err := s.Commit(context.Background(), c.Now(), batch)
		if err != nil {
			fmt.Println("commit", err)
			return
		}
		for i, r := range results {
			if r.Outcome == store.Stored && !event.Replaceable(batch[i].Kind) && !event.Addressable(batch[i].Kind) {
				fmt.Println("ok", batch[i].ID)
			}
		}
	}
	fmt.Println("ready")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Println("closed", s.Close())
}

// Somebody else fills the disk. To stop then, and to start, ends no process by a
// signal: a stop leaves what a crash would, a start says how much room it takes and
// changes nothing; and with room again everything is there. It takes root to mount
// a small file system; without, it is not tested.
func TestStopAndStartOnAFullDisk(t *testing.T) {
	disk := t.TempDir()
	if err := unix.Mount("tmpfs", disk, "tmpfs", 0, "size=160m"); err != nil {
		t.Logf("not tested: mounting a file system: %v", err)
		return
	}
	defer unix.Unmount(disk, unix.MNT_DETACH)
	dir := filepath.Join(disk, "store")
	var acked []event.ID
	filler := filepath.Join(disk, "filler")
	out := child(t, dir, func() { fillDisk(t, filler) }, func(line string) {
		if id, ok := strings.CutPrefix(line, "ok "); ok {
			x, err := event.ParseID(id)
			if err != nil {
				t.Fatal(err)
			}
			acked = append(acked, x)
		}
	})
	if !slices.Contains(out, "closed <nil>") || len(acked) < 1000 {
		t.Fatalf("%q, %d acknowledged", out, len(acked))
	}
	before := listing(t, dir)
	out = child(t, dir, func() {}, func(string) {})
	if len(out) != 1 || !strings.HasPrefix(out[0], "open true ") || !strings.Contains(out[0], "free ") {
		t.Fatalf("%q", out)
	}
	if after := listing(t, dir); !slices.Equal(after, before) {
		t.Fatalf("%q, was %q", after, before)
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	s, err := badgerstore.Open(fullOptions(dir))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, id := range acked {
		n, err := store.Total(t.Context(), s.Count(store.Query{Filters: []*event.Filter{{IDs: []event.ID{id}}}}))
		if err != nil || n != 1 {
			t.Fatalf("event %s is found %d times, want once (%v)", id, n, err)
		}
	}
	sound(t, s)
}

// child runs fullChild, and ready when it is; it wants it to end by itself.
func child(t *testing.T, dir string, ready func(), each func(line string)) (lines []string) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fullDir+"="+dir)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	scan := bufio.NewScanner(out)
	for scan.Scan() {
		each(scan.Text())
		if !strings.HasPrefix(scan.Text(), "ok ") {
			lines = append(lines, scan.Text())
		}
		if scan.Text() == "ready" {
			ready()
			if _, err := io.WriteString(in, "\n"); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); err != nil {
		t.Fatalf("%v after %q", err, lines)
	}
	return lines
}

func fillDisk(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	b := make([]byte, 1<<16)
	for {
		if _, err := f.Write(b); errors.Is(err, unix.ENOSPC) {
			return
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// listing is the names and sizes of a folder's files.
func listing(t *testing.T, dir string) (list []string) {
	t.Helper()
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		info, err := f.Info()
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, fmt.Sprint(f.Name(), " ", info.Size(), " ", info.ModTime().UnixNano()))
	}
	return list
}
