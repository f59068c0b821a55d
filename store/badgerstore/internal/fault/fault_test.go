package fault_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"moa/store/badgerstore/internal/fault"
)

func touch(b []byte) (sum int, err error) {
	defer fault.Catch(fault.Arm(), &err)
	for _, c := range b {
		sum += int(c)
	}
	return sum, nil
}

// A file is shorter than what is mapped of it: touching it is an error.
func TestAFaultIsAnError(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "f"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(1 << 16); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, 1<<16, unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Munmap(b)
	if _, err := touch(b); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(4096); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := touch(b); !errors.Is(err, fault.Err) {
			t.Fatalf("error %v", err)
		}
	}
}

func TestOtherPanicsGoOn(t *testing.T) {
	defer func() {
		if r := recover(); r != "mine" {
			t.Errorf("recovered %v", r)
		}
	}()
	var err error
	defer fault.Catch(fault.Arm(), &err)
	panic("mine")
}
