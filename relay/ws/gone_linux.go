package ws

import (
	"syscall"

	"golang.org/x/sys/unix"
)

// hungUp reports that the peer has closed or reset its socket, or shut down its
// sending, whether or not what it has sent is read.
func hungUp(fd int32) bool {
	p := [1]unix.PollFd{{Fd: fd, Events: unix.POLLRDHUP}}
	for {
		n, err := unix.Poll(p[:], 0)
		if err != syscall.EINTR {
			return n > 0
		}
	}
}
