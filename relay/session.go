package relay

import (
	"context"
	"fmt"
	"sync"
	"time"

	"moa/nips/wire"
	"moa/policy"
	"moa/relay/shares"
	"moa/relay/ws"
)

// session is one connection. Its goroutine reads messages and handles them in
// order; an idle session has none, and is this struct.
type session struct {
	client

	// Fixed once made.
	ingest *ingest
	chain  *policy.Chain  // that has accepted the connection, and is owed a Disconnect
	gone   func(*session) // called at the end

	// turn is held while a message is handled, and when the session is stopped
	// between two of them. It guards the following.
	turn    sync.Mutex
	stopped bool
	batch   *batch         // EVENTs read and not yet verified, nil if there are none
	subs    *subscriptions // nil before the first REQ or COUNT
	counts  *counts        // nil before the first COUNT
	syncs   *syncs         // nil before the first NEG-OPEN
	garbage garbage
	row     int // messages that were taken without a pause
}

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

// await is serve for who may have more to say.
func (s *session) await() {
	defer s.survive()
	s.handle(s.conn.ReadFor(attention))
}

// attention is how long a session waits for the next message before it sleeps,
// for to wake it costs some 3 us: clients ask several things in a row.
const attention = 500 * time.Millisecond

// handle takes a message and those that follow, until there are none. The
// session then goes on in a new goroutine, for this one's stack has grown and
// would not shrink again, or sleeps. Only who has just sent an EVENT, and is
// likely to send more of them, waits as he is.
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

// readGrown reads for one of those that wait with a stack that has grown.
func (s *session) readGrown() ([]byte, error) {
	defer s.grown.Add(-1)
	return s.conn.Read()
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
	s.flush() // what was read before counts, though nobody waits for its OK
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
	s.gone(s)
	s.chain.Disconnect(&s.client)
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
		s.flush()
	}
	if s.garbage.n > maxGarbage {
		return false, errGarbage
	}
	return verb == wire.Event, nil
}

func (s *session) message(frame []byte) wire.Verb {
	st := s.settings.Load()
	if most := st.cfg.Limits.MessageBytes; len(frame) > most {
		s.met.messages[wire.Unknown].Inc()
		s.malformed(wire.Refuse(frame, fmt.Sprintf("the message has %d bytes; at most %d are taken", len(frame), most)))
		return wire.Unknown
	}
	m, err := s.parse(frame)
	s.met.messages[m.Verb].Inc()
	if err != nil {
		s.malformed(err)
		return m.Verb
	}
	if m.Verb == wire.Event {
		s.event(st, m.Event)
		return m.Verb
	}
	if m.Verb != wire.Auth {
		s.garbage.clear()
	}
	// Whatever else it is, it comes after the EVENTs before it: a REQ finds them.
	s.settle()
	switch m.Verb {
	case wire.Req:
		s.req(st, m.SubID, m.Filters)
	case wire.Count:
		s.count(st, m.SubID, m.Filters)
	case wire.Close:
		s.closeSub(m.SubID)
	case wire.Auth:
		s.auth(st, m.Event)
	case wire.NegOpen:
		s.negOpen(st, m.SubID, m.Filters, m.Neg)
	case wire.NegMsg:
		s.negMsg(st, m.SubID, m.Neg)
	case wire.NegClose:
		s.closeSync(m.SubID)
	}
	return m.Verb
}

func (s *session) malformed(err error) {
	s.garbage.add()
	e, ok := err.(*wire.Error)
	if !ok {
		return
	}
	if e.Verb == wire.Event {
		s.add(ticket{from: &s.client, id: e.EventID, fate: fateInvalid, reason: e.Reason, text: e.Text}, nil)
		return
	}
	s.settle()
	switch e.Verb { // for a client, CLOSED or NEG-ERR ends what it has open by that id
	case wire.Req, wire.Count:
		s.closeSub(e.SubID)
	case wire.NegOpen, wire.NegMsg:
		s.closeSync(e.SubID)
	}
	s.Send(e.AppendAnswer(nil))
}

// settle waits until all EVENTs so far are decided and their OKs queued.
func (s *session) settle() {
	s.flush()
	if s.open.Load() > 0 {
		s.tickets.Wait()
	}
}

// stop ends the session between two messages: what was read is decided and
// answered, what comes after is not read any more.
func (s *session) stop(code ws.Code, why string) {
	s.turn.Lock()
	s.stopped = true
	s.settle()
	s.turn.Unlock()
	s.out.Flush()
	s.conn.Close(code, why)
}

// Slow ends the connection of a client that does not read.
func (c *client) Slow(queued int) {
	c.ledger.Refuse(shares.Outbox, shares.Connection)
	c.cut(dropSlow, queued)
}

// cut ends the connection of a client for which too much waits.
func (c *client) cut(why dropReason, queued int) {
	if c.leaves(why) {
		c.log.Warn("slow consumer disconnected", "conn", c.id, "ip", c.ip, "queued", queued, "limit", c.limits.OutboxBytes, "reason", string(why))
	}
	c.conn.CloseNow()
}

// background is the context of policies: they have deadlines of their own, and
// a connection that goes away does not take back what it has said.
var background = context.Background()
