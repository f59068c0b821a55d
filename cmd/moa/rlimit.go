//go:build linux || darwin

package main

import (
	"fmt"
	"syscall"
)

// raiseOpenFiles lets the process open as many files as asked, 0 for as many as
// the system gives, and returns how many it may open now.
func raiseOpenFiles(asked uint64) (uint64, error) {
	var l syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &l); err != nil {
		return 0, fmt.Errorf("read the open file limit: %w", err)
	}
	want := asked
	if asked == 0 {
		want = l.Max
	}
	if want == l.Cur {
		return l.Cur, nil
	}
	raised := syscall.Rlimit{Cur: want, Max: max(l.Max, want)}
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &raised); err != nil {
		return l.Cur, fmt.Errorf("raise the open file limit from %d to %d: %w", l.Cur, want, err)
	}
	return want, nil
}
