package ws

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"moa/nips/testwait"
)

// room is a Room of so many bytes.
type room struct {
	most           int64
	held, takes    atomic.Int64
	working, works atomic.Int64
}

func (r *room) Work() { r.works.Add(1); r.working.Add(1) }
func (r *room) Rest() { r.working.Add(-1) }

func (r *room) Take(n int) bool {
	r.takes.Add(1)
	if r.held.Add(int64(n)) > r.most {
		r.held.Add(-int64(n))
		return false
	}
	return true
}

func (r *room) Give(n int) { r.held.Add(-int64(n)) }

// What a connection has of a long message that is not complete takes room, as
// much as its memory, and gives it back; where there is none the connection ends.
// A short message asks for none.
func TestMessagesUnderWayTakeRoom(t *testing.T) {
	r := &room{most: 500_000}
	sizes, ended := make(chan int, 10), make(chan error, 10)
	addr := start(t, &Options{MaxMessage: 1 << 20}, func(c *Conn) {
		c.SetRoom(r)
		for {
			msg, err := c.Read()
			if err != nil {
				ended <- err
				c.Part(TryAgainLater, "")
				return
			}
			sizes <- len(msg)
		}
	})
	text := func(n int) []byte { return frame(0x81, strings.Repeat("x", n)) }
	half := func(n int) *peer {
		p := dial(t, addr)
		p.send(text(n)[:n*9/10])
		return p
	}
	short := dial(t, addr)
	for range 10 {
		short.send(text(5))
		<-sizes
	}
	half(2000)
	if n := r.takes.Load(); n != 0 {
		t.Errorf("short messages have asked %d times for room", n)
	}
	one := half(200_000)
	testwait.Eventually(t, "it takes room", func() bool { n := r.held.Load(); return n >= 180_000 && n <= 300_000 })
	two := half(400_000) // for which there is none
	if err := <-ended; !isTryAgain(err) {
		t.Errorf("it has ended with %v", err)
	}
	two.Close()
	testwait.Eventually(t, "its room is free again", func() bool { return r.held.Load() <= 300_000 })
	one.send(text(200_000)[180_000:])
	if n := <-sizes; n != 200_000 {
		t.Errorf("%d bytes were read", n)
	}
	one.send(text(5))
	<-sizes
	testwait.Eventually(t, "nothing is held", func() bool { return r.held.Load() == 0 })
	three := half(200_000)
	testwait.Eventually(t, "it takes room", func() bool { return r.held.Load() > 0 })
	three.Close()
	testwait.Eventually(t, "nor when its connection has ended", func() bool { return r.held.Load() == 0 })
}

func isTryAgain(err error) bool {
	e, ok := errors.AsType[*CloseError](err)
	return ok && e.Code == TryAgainLater && !e.Peer
}

// Frames that come in a row are work, however small and whatever they are: it is
// begun before they are dealt with, and ended before the connection waits or has a
// message. A few are none.
func TestFramesInARowAreWork(t *testing.T) {
	ping, text, fragment := frame(0x89, ""), frame(0x81, "text"), frame(0x00, "")
	for name, c := range map[string]struct {
		frames [][]byte
		works  bool
	}{
		"a few pings":          {[][]byte{bytes.Repeat(ping, fewInARow-2), text}, false},
		"pings":                {[][]byte{bytes.Repeat(ping, 1000), text}, true},
		"pings in a message":   {[][]byte{frame(0x01, "te"), bytes.Repeat(ping, 1000), frame(0x80, "xt")}, true},
		"empty fragments":      {[][]byte{frame(0x01, "te"), bytes.Repeat(fragment, 1000), frame(0x80, "xt")}, true},
		"messages":             {[][]byte{bytes.Repeat(text, 1000)}, true},
		"pings before a close": {[][]byte{text, bytes.Repeat(ping, 1000), frame(0x88, "")}, true},
	} {
		t.Run(name, func(t *testing.T) {
			r := &room{most: 1 << 20}
			heard, ended := make(chan string, 1000), make(chan bool)
			addr := start(t, &Options{}, func(c *Conn) {
				c.SetRoom(r)
				for {
					msg, err := c.Read()
					if r.working.Load() != 0 {
						t.Error("a connection at work has something to say")
					}
					if err != nil {
						close(ended)
						return
					}
					heard <- string(msg)
				}
			})
			p := dial(t, addr)
			p.send(slices.Concat(c.frames...))
			if got := <-heard; got != "text" {
				t.Errorf("heard %q", got)
			}
			testwait.Eventually(t, "it rests", func() bool { return r.working.Load() == 0 })
			p.Close()
			<-ended
			if n := r.works.Load(); (n > 0) != c.works {
				t.Errorf("it was %d times at work", n)
			}
		})
	}
}
