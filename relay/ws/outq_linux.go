package ws

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// unacknowledged is how many bytes the peer's system has not taken yet.
func unacknowledged(raw syscall.RawConn) (n uint32) {
	_ = raw.Control(func(fd uintptr) {
		if got, err := unix.IoctlGetInt(int(fd), unix.SIOCOUTQ); err == nil {
			n = uint32(got)
		}
	})
	return n
}
