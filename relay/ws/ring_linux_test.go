package ws

import (
	"testing"

	"golang.org/x/sys/unix"
)

// A ring that the system does not serve any more loses nothing.
func TestBrokenRingIsLeft(t *testing.T) {
	if err := TrySender(); err != nil {
		t.Skip(err)
	}
	s := new(Sender)
	defer s.Close()
	c := newAudience(t, 4)
	for n := range 3 {
		if n == 1 {
			unix.Close(s.ring.fd)
			s.ring.fd = -1
		}
		list := sends(c.conns, "text")
		s.TryWrite(list)
		for _, w := range list {
			if w.Err != nil || w.Rest != nil {
				t.Fatalf("round %d: %+v", n, w)
			}
		}
		for i := range c.conns {
			c.hear(i, "text")
		}
	}
	if s.ring != nil {
		t.Error("the ring is still there")
	}
}
