package relay

import (
	"context"
	"errors"
	"time"

	"moa/relay/ws"
)

// partTime is how long a client that is sent away may take for the answers to
// what it said before. Then it has ws.Options.CloseTimeout for the close.
const partTime = 5 * time.Second

// parting says what a client is told whose connection err has ended, if that was
// for something that it did, or that we did to it.
func parting(err error) (code ws.Code, why string, ok bool) {
	if e, is := errors.AsType[*ws.CloseError](err); is {
		return e.Code, e.Reason, !e.Peer
	}
	switch err {
	case errGarbage:
		return ws.Policy, "nothing but malformed messages", true
	case errPanic:
		return ws.Internal, "the relay has failed", true
	case ws.ErrSlow:
		return ws.Policy, "a message took too long to arrive", true
	}
	return 0, "", false
}

// part ends a connection for what its client did: what the client said before is
// decided and answered, and the close frame comes last.
func (s *session) part(code ws.Code, why string) {
	s.turn.Lock()
	s.stopped = true
	s.resolveAll()
	subs, counts := s.subs, s.counts
	s.turn.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), partTime)
	defer cancel()
	intime := context.AfterFunc(ctx, s.conn.CloseNow)
	lastAnswers(ctx, subs, counts)
	s.out.Flush()
	intime()
	s.conn.Part(code, why)
}

// lastAnswers waits, until ctx ends, for what was asked to be answered, and ends
// what is open. Either may be nil.
func lastAnswers(ctx context.Context, subs *subscriptions, counts *counts) {
	if subs != nil {
		subs.answered(ctx)
		subs.close() // no live events any more
	}
	if counts != nil {
		counts.answered(ctx)
		counts.close()
	}
}
