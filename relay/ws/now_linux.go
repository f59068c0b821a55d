package ws

import (
	"syscall"
	"unsafe"
)

// A socket that does not block is read and written without telling Go's
// scheduler. That would make ready for a call that takes its time, and wake its
// watchdog, a thread that then looks around every 20 us for some milliseconds:
// for a client now and then a fifth of all. p is not empty.

func readNow(fd int, p []byte) (int, error)  { return now(syscall.SYS_READ, fd, p) }
func writeNow(fd int, p []byte) (int, error) { return now(syscall.SYS_WRITE, fd, p) }

func now(call uintptr, fd int, p []byte) (int, error) {
	n, _, errno := syscall.RawSyscall(call, uintptr(fd), uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
