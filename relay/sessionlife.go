package relay

import (
	"time"

	"moa/nips/wire"
	"moa/relay/ws"
)

// maxGrown is how many sessions may wait with a stack that has grown: some 32
// KiB each.
const maxGrown = 256

// Wake lets the session go on, in a new goroutine.
func (s *session) Wake() { s.tasks.leg(sessionTask, s.serve) }

// sessionTask is the task that a session is until its connection has ended.
const sessionTask = "session"

func (s *session) serve() {
	defer s.survive()
	s.handle(s.conn.TryRead())
}

// await is serve for a client that may have more to say.
func (s *session) await() {
	defer s.survive()
	s.handle(s.conn.ReadFor(attention))
}

// attention is how long a session waits for the next message before it sleeps,
// for to wake it costs some 3 us: clients ask several things in a row.
const attention = 500 * time.Millisecond

// handle takes a message and those that follow, until there are none. The
// session then goes on in a new goroutine, for this one's stack has grown and
// would not shrink again, or sleeps. Only after an EVENT, as more of them are
// likely to follow, does this goroutine wait.
func (s *session) handle(frame []byte, err error) {
	s.row = 0
	if err == ws.ErrNothing {
		if s.conn.Sleep(s) {
			return
		}
		frame, err = s.conn.Read()
	}
	for err == nil {
		var publishes bool
		if publishes, err = s.take(frame); err != nil {
			break
		}
		s.keepPace()
		if publishes && s.grown.Add(1) <= maxGrown {
			frame, err = s.readGrown()
			s.row = 0
			continue
		}
		if publishes {
			s.grown.Add(-1)
		}
		if frame, err = s.conn.TryRead(); err == ws.ErrNothing {
			s.tasks.leg(sessionTask, s.await)
			return
		}
		s.row++
	}
	s.end(err)
}

// keepPace waits until the address may say more.
func (s *session) keepPace() {
	if p := &s.account.pace; p.until.Load() > 0 {
		if wait := p.behind(time.Since(paceBegan)); wait > 0 {
			s.met.paced.Inc()
			pause(s.life, wait)
		}
	}
}

// readGrown reads for one of those that wait with a stack that has grown.
func (s *session) readGrown() ([]byte, error) {
	defer s.grown.Add(-1)
	return s.conn.Read()
}

// survive is deferred by a session's goroutine. A panic there is a fault of moa
// that a message has found: it costs that connection.
//
// One that comes from within what sessions share goes on, and ends the relay:
// it is not known what it has left locked or half done, and a relay that starts
// anew finds all that it has acknowledged.
func (s *session) survive() {
	value := recover()
	if value == nil {
		return
	}
	if amongOthers() {
		panic(value)
	}
	s.countPanic("a session has panicked, its connection is ended", value, "conn", s.id, "ip", s.ip)
	s.turn.Lock()
	s.stopped = true
	s.batch = nil // what was read and not answered; it may be what the panic is about
	s.turn.Unlock()
	s.Send(wire.AppendNotice(nil, "error: the relay has failed to handle a message, and closes this connection"))
	s.end(errPanic)
}

// end cleans up after the connection, which err has ended.
func (s *session) end(err error) {
	defer s.tasks.end(sessionTask)
	s.ended(err)
	if code, why, ok := parting(err); ok {
		s.part(code, why)
	}
	s.conn.CloseNow()
	s.turn.Lock()
	s.stopped = true
	s.submitBatch() // what was read before counts, though its OK reaches no client
	subs, counts, syncs := s.subs, s.counts, s.syncs
	s.turn.Unlock()
	if syncs != nil {
		syncs.close()
	}
	if subs != nil {
		subs.close()
	}
	if counts != nil {
		counts.close()
	}
	s.out.Close()
	s.forget()
	s.chain.Disconnect(&s.client)
}

// forget ends what connect began, but for the policies.
func (s *session) forget() {
	s.conns.remove(s)
	s.conns.release(s.account)
	s.met.connections.Dec()
}

// take handles one message, and reports whether it was an EVENT. An error ends the
// connection.
func (s *session) take(frame []byte) (publishes bool, err error) {
	s.turn.Lock()
	defer s.turn.Unlock()
	if s.stopped {
		return false, nil // the peer has not seen the close yet
	}
	verb := s.message(frame)
	if s.batch != nil && (s.batch.full() || !s.conn.Ready()) {
		s.submitBatch()
	}
	if s.garbage.n > maxGarbage {
		return false, errGarbage
	}
	return verb == wire.Event, nil
}

// stop ends the session between two messages: what was read is decided and
// answered, what comes after is not read any more.
func (s *session) stop(code ws.Code, why string) {
	s.turn.Lock()
	s.stopped = true
	s.resolveAll()
	s.turn.Unlock()
	s.out.Flush()
	s.conn.Close(code, why)
}
