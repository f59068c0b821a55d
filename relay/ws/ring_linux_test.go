package ws

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// A ring that the system does not serve any more loses nothing. Its Sender says
// so, goes on without it, and asks for another later.
func TestBrokenRingIsReplacedLater(t *testing.T) {
	if err := TrySender(); err != nil {
		t.Skip(err)
	}
	var faults []error
	s := &Sender{Fail: func(err error) { faults = append(faults, err) }}
	defer s.Close()
	c := newAudience(t, 4)
	round := func() {
		t.Helper()
		list := sends(c.conns, "text")
		s.TryWrite(list)
		for _, w := range list {
			if w.Err != nil || w.Rest != nil {
				t.Fatalf("%+v", w)
			}
		}
		for i := range c.conns {
			c.hear(i, "text")
		}
	}
	for range 2 {
		round()
		if s.ring == nil {
			t.Fatal("there is no ring")
		}
		unix.Close(s.ring.fd)
		s.ring.fd = -1
		faults = nil
		for range 3 {
			if round(); s.ring != nil || len(faults) != 1 || !errors.Is(faults[0], unix.EBADF) {
				t.Fatalf("ring %v, faults %v", s.ring, faults)
			}
		}
		s.again = time.Now()
	}
	s.Close()
	if round(); s.ring != nil {
		t.Error("there is a ring after Close")
	}
}
