package ws

import (
	"syscall"
	"unsafe"
)

// writeNow writes to a socket that does not block, without telling Go's
// scheduler, who makes ready for a system call that takes its time. p is not
// empty.
func writeNow(fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(syscall.SYS_WRITE, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
