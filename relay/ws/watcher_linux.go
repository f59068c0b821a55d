package ws

import (
	"context"
	"fmt"
	"os"
	"sync"
	"syscall"
	"unsafe"
)

// Watcher waits for all sleeping connections at once, so that an idle one needs
// no goroutine: its stack would take as much memory as everything else together.
// Options.Watcher names it, its owner runs Run.
//
// It is a set of sockets (epoll) that Go's own poller watches as if it were one.
// A connection is armed for one event when it falls asleep. An event may be left
// over from a connection that had the same descriptor: then one is woken for
// nothing, and falls asleep again.
type Watcher struct {
	epoll *os.File
	fd    int // of epoll

	mu     sync.Mutex // guards the following
	closed bool
	conns  []*Conn          // asleep, by descriptor
	next   *Conn            // for arm
	arm    func(fd uintptr) // armLocked
	armed  bool             // what arm has to say
}

// NewWatcher returns a Watcher; nil without an error where there is none.
func NewWatcher() (*Watcher, error) {
	fd, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("ws: watch connections: %w", err)
	}
	_ = syscall.SetNonblock(fd, true) // fails for no descriptor that is open; without it os.NewFile would not poll
	w := &Watcher{epoll: os.NewFile(uintptr(fd), "epoll"), fd: fd}
	w.arm = w.armLocked
	return w, nil
}

// watch arms a connection that is falling asleep.
func (w *Watcher) watch(c *Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return false
	}
	w.next, w.armed = c, false
	err := c.raw.Control(w.arm) // the descriptor stays this connection's as long as this takes
	w.next = nil
	return err == nil && w.armed
}

func (w *Watcher) armLocked(fd uintptr) {
	if n := int(fd) + 1; n > len(w.conns) {
		w.conns = append(w.conns, make([]*Conn, n-len(w.conns))...)
	}
	w.conns[fd] = w.next
	w.next.asleep.fd = int32(fd)
	errno := w.control(syscall.EPOLL_CTL_MOD, fd)
	if errno == syscall.ENOENT {
		errno = w.control(syscall.EPOLL_CTL_ADD, fd)
	}
	if w.armed = errno == 0; !w.armed {
		w.conns[fd] = nil
	}
}

func (w *Watcher) control(op int, fd uintptr) syscall.Errno {
	e := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: int32(fd)}
	_, _, errno := syscall.RawSyscall6(syscall.SYS_EPOLL_CTL, uintptr(w.fd), uintptr(op), fd, uintptr(unsafe.Pointer(&e)), 0, 0)
	return errno
}

// forget lets go of a connection that was woken by its closing.
func (w *Watcher) forget(c *Conn) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if fd := int(c.asleep.fd); fd < len(w.conns) && w.conns[fd] == c {
		w.conns[fd] = nil
	}
}

// Run wakes connections until ctx is done, and then all that are still asleep.
// None falls asleep after that.
func (w *Watcher) Run(ctx context.Context) {
	defer w.wakeAll()
	raw, err := w.epoll.SyscallConn()
	if err != nil {
		return // closed
	}
	stop := context.AfterFunc(ctx, w.close)
	defer stop()
	var events [256]syscall.EpollEvent
	var awake []*Conn
	for {
		n := 0
		err := raw.Read(func(fd uintptr) bool {
			errno := syscall.EINTR
			for errno == syscall.EINTR {
				var got uintptr
				got, _, errno = syscall.RawSyscall6(syscall.SYS_EPOLL_PWAIT, fd, uintptr(unsafe.Pointer(&events[0])), uintptr(len(events)), 0, 0, 0)
				n = int(got)
			}
			return errno == 0 && n > 0
		})
		if err != nil {
			return
		}
		awake = w.take(awake[:0], events[:n])
		for _, c := range awake {
			c.wake()
		}
		clear(awake)
	}
}

// take appends those that have an event.
func (w *Watcher) take(awake []*Conn, events []syscall.EpollEvent) []*Conn {
	w.mu.Lock()
	defer w.mu.Unlock()
	for i := range events {
		fd := events[i].Fd
		if c := w.conns[fd]; c != nil {
			w.conns[fd] = nil
			awake = append(awake, c)
		}
	}
	return awake
}

func (w *Watcher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	w.epoll.Close()
}

func (w *Watcher) wakeAll() {
	w.close()
	w.mu.Lock()
	conns := w.conns
	w.conns = nil
	w.mu.Unlock()
	for _, c := range conns {
		if c != nil {
			c.wake()
		}
	}
}
