package ws

// Sender writes to many connections in one system call, where the system lets
// it. It is used by one goroutine at a time. The zero Sender is ready.
type Sender struct {
	Plain bool // one call for each connection; changed before the first use only

	asked bool  // for a ring
	ring  *ring // nil: not asked for, or not to be had
	rests []*Rest
}

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
	if !s.Plain && !s.asked && len(sends) > 1 {
		s.asked = true
		s.ring, _ = newRing() // TrySender has told why not
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

// mayGo gathers, and reports whether there is something for a ring to send. If
// so, the socket is held.
func (r *Rest) mayGo() bool {
	return r.locked && r.c.raw != nil && r.c.writeErr == nil && r.gather() && r.c.hold()
}

// flush sends once what was gathered.
func (s *Sender) flush() {
	if !s.ring.send(s.rests) {
		s.Close()
	}
	for _, r := range s.rests {
		r.c.letGo()
	}
	clear(s.rests)
	s.rests = s.rests[:0]
}

// Close gives back what the system holds for s, which goes on without it.
func (s *Sender) Close() {
	if s.asked = true; s.ring != nil {
		s.ring.close()
		s.ring = nil
	}
}
