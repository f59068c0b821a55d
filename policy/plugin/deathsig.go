//go:build linux || freebsd

package plugin

import "syscall"

// endsWithUs lets the system end the program when the relay ends without
// having been able to (kill -9): it might not heed the end of its input. What
// the program has started itself is not ended.
//
// The signal comes when the thread ends that has started the program, so that
// must be one that lives as long as the program: see Policy.keep.
func endsWithUs(a *syscall.SysProcAttr) { a.Pdeathsig = syscall.SIGKILL }
