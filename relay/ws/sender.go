package ws

import "time"

// Sender writes to many connections in one system call, where the system lets
// it. It is used by one goroutine at a time. The zero Sender is ready.
type Sender struct {
	// Changed before the first use only.
	Plain bool            // one call for each connection
	Fail  func(err error) // told why s does without io_uring for a while; may be nil

	ring  *ring     // nil: not asked for, or not to be had
	again time.Time // when to ask for one again
	shut  bool      // Close was called: no more
	rests []*Rest
}

// ringPause is how long a Sender goes without a ring after one has failed.
const ringPause = time.Minute

// MostSends is how many connections a Sender takes at once.
const MostSends = ringSize

// Send is one connection's part in a Sender's TryWrite.
type Send struct {
	Conn *Conn
	Msgs []Msg

	// What has come of it, as of Conn.TryWrite.
	Rest *Rest
	Err  error
}

// TrySender says why a Sender that is not plain would be it all the same; nil:
// it would not.
func TrySender() error {
	g, err := newRing()
	if err == nil {
		g.close()
	}
	return err
}

// TryWrite is Conn.TryWrite for each of the sends, MostSends at most, all to
// different connections.
func (s *Sender) TryWrite(sends []Send) {
	if s.ring == nil && !s.Plain && len(sends) > 1 {
		s.ask()
	}
	for i := range sends {
		w := &sends[i]
		w.Rest = takeRest(w.Conn, w.Msgs)
		if w.Rest.tryLock(); s.ring != nil && len(sends) > 1 && w.Rest.mayGo() {
			s.rests = append(s.rests, w.Rest)
		}
	}
	if len(s.rests) > 0 {
		s.flush()
	}
	for i := range sends {
		w := &sends[i]
		w.Rest, w.Err = w.Rest.try()
	}
}

// ask gets a ring, if that has not failed a short time ago.
func (s *Sender) ask() {
	if s.shut || time.Now().Before(s.again) {
		return
	}
	g, err := newRing()
	if err != nil {
		s.without(err)
		return
	}
	s.ring = g
}

// without gives the ring up for a while.
func (s *Sender) without(why error) {
	if s.ring != nil {
		s.ring.close()
		s.ring = nil
	}
	s.again = time.Now().Add(ringPause)
	if s.Fail != nil {
		s.Fail(why)
	}
}

// mayGo gathers, and reports whether there is something for a ring to send. If
// so, the socket is held.
func (r *Rest) mayGo() bool {
	return r.locked && r.c.raw != nil && r.c.writeErr == nil && r.gather() && r.c.hold()
}

// flush sends once what was gathered.
func (s *Sender) flush() {
	if err := s.ring.send(s.rests); err != nil {
		s.without(err)
	}
	for _, r := range s.rests {
		r.c.letGo()
	}
	clear(s.rests)
	s.rests = s.rests[:0]
}

// Close gives back what the system holds for s, which goes on without it.
func (s *Sender) Close() {
	if s.shut = true; s.ring != nil {
		s.ring.close()
		s.ring = nil
	}
}
