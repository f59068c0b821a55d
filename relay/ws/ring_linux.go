package ws

import (
	"errors"
	"fmt"
	"math/bits"
	"runtime"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ring is an io_uring (io_uring(7)): a queue of calls that the kernel does in
// one go. On 2 cores that serve the clients too, 64 sends in one call cost a
// fifth less than 64 calls of write(2). It is used by one goroutine at a time.
type ring struct {
	fd     int
	shared []byte // both queues
	calls  []call // what the submission queue's numbers name

	// In shared, written by us, by the kernel, and by neither.
	sqTail, cqHead *uint32
	cqTail         *uint32
	sqMask, cqMask uint32
	results        *[2 * ringSize]result
}

// ringSize is how many calls a ring takes.
const ringSize = 64

// call is struct io_uring_sqe, as far as a send needs it.
type call struct {
	opcode, flags uint8
	ioprio        uint16
	fd            int32
	offset        uint64
	addr          uint64
	len           uint32
	msgFlags      uint32
	userData      uint64
	_             [24]byte
}

// result is struct io_uring_cqe.
type result struct {
	userData uint64
	res      int32 // bytes, or a negative errno
	_        uint32
}

// ringParams is struct io_uring_params.
type ringParams struct {
	sqEntries, cqEntries, flags, sqThreadCPU, sqThreadIdle, features, wqFD uint32
	_                                                                      [3]uint32
	sq                                                                     struct {
		head, tail, mask, entries, flags, dropped, array, _ uint32
		_                                                   uint64
	}
	cq struct {
		head, tail, mask, entries, overflow, results, flags, _ uint32
		_                                                      uint64
	}
}

const (
	ringCallsAt   = 0x10000000      // IORING_OFF_SQES
	ringNeeds     = 1 | 1<<1 | 1<<5 // one mapping, no result lost, sends that do not wait: Linux 5.7
	ringSend      = 26              // IORING_OP_SEND
	ringGetEvents = 1               // IORING_ENTER_GETEVENTS
)

// newRing fails where there is no io_uring: an old kernel, or one that forbids
// it, as containers often do.
func newRing() (*ring, error) {
	var p ringParams
	fd, _, errno := syscall.Syscall(unix.SYS_IO_URING_SETUP, ringSize, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return nil, fmt.Errorf("ws: io_uring: %w", errno)
	}
	g := &ring{fd: int(fd)}
	err := g.mapIn(&p)
	if p.features&ringNeeds != ringNeeds || p.sqEntries != ringSize || p.cqEntries != 2*ringSize {
		err = errors.ErrUnsupported
	}
	if err != nil {
		g.close()
		return nil, fmt.Errorf("ws: io_uring: %w", err)
	}
	return g, nil
}

// mapIn maps the queues.
func (g *ring) mapIn(p *ringParams) error {
	const access, how = unix.PROT_READ | unix.PROT_WRITE, unix.MAP_SHARED | unix.MAP_POPULATE
	size := max(int(p.sq.array)+4*ringSize, int(p.cq.results)+2*ringSize*int(unsafe.Sizeof(result{})))
	var err error
	if g.shared, err = unix.Mmap(g.fd, 0, size, access, how); err != nil {
		return err
	}
	calls, err := unix.Mmap(g.fd, ringCallsAt, ringSize*int(unsafe.Sizeof(call{})), access, how)
	if err != nil {
		return err
	}
	g.calls = unsafe.Slice((*call)(unsafe.Pointer(&calls[0])), ringSize)
	at := func(offset uint32) *uint32 { return (*uint32)(unsafe.Pointer(&g.shared[offset])) }
	g.sqTail, g.sqMask = at(p.sq.tail), *at(p.sq.mask)
	g.cqHead, g.cqTail, g.cqMask = at(p.cq.head), at(p.cq.tail), *at(p.cq.mask)
	g.results = (*[2 * ringSize]result)(unsafe.Pointer(&g.shared[p.cq.results]))
	for i := range uint32(ringSize) {
		*at(p.sq.array + 4*i) = i
	}
	return nil
}

func (g *ring) close() {
	if g.shared != nil {
		_ = unix.Munmap(g.shared)
	}
	if g.calls != nil {
		_ = unix.Munmap(unsafe.Slice((*byte)(unsafe.Pointer(&g.calls[0])), ringSize*int(unsafe.Sizeof(call{}))))
	}
	_ = unix.Close(g.fd)
}

// errRing ends a connection of which it is not known what was sent.
var errRing = errors.New("ws: io_uring gave no answer")

// send sends once what the sockets take of what each of the rests, ringSize at
// most, has gathered, and waits for none. The caller holds the sockets. An
// error says that the ring is of no more use; what has become of the rests, they
// know.
func (g *ring) send(rests []*Rest) error {
	tail := *g.sqTail
	for i, r := range rests {
		p := r.b[r.from:r.to]
		g.calls[(tail+uint32(i))&g.sqMask] = call{
			opcode: ringSend, fd: r.c.fd, addr: uint64(uintptr(unsafe.Pointer(&p[0]))), len: uint32(len(p)),
			msgFlags: unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL, userData: uint64(i),
		}
	}
	atomic.StoreUint32(g.sqTail, tail+uint32(len(rests)))
	// Raw for the reason that writeNow is. A send that does not wait is done when
	// the call returns; to ask for the results makes sure of that.
	n, _, errno := syscall.RawSyscall6(unix.SYS_IO_URING_ENTER, uintptr(g.fd), uintptr(len(rests)), uintptr(len(rests)), ringGetEvents, 0, 0)
	if errno != 0 {
		n = 0
	}
	done := g.collect(rests)
	for i, r := range rests[:n] {
		if done&(1<<i) == 0 {
			r.sent(0, errRing)
		}
	}
	runtime.KeepAlive(rests)
	switch {
	case bits.OnesCount64(done) == len(rests):
		return nil
	case errno != 0:
		return fmt.Errorf("ws: io_uring: %w", errno)
	}
	return errRing
}

// collect hands out the results, and says of which rests there were any.
func (g *ring) collect(rests []*Rest) (done uint64) {
	head := *g.cqHead
	for tail := atomic.LoadUint32(g.cqTail); head != tail; head++ {
		answer := &g.results[head&g.cqMask]
		done |= 1 << answer.userData
		if r := rests[answer.userData]; answer.res >= 0 {
			r.sent(int(answer.res), nil)
		} else {
			r.sent(0, syscall.Errno(-answer.res))
		}
	}
	atomic.StoreUint32(g.cqHead, head)
	return done
}
