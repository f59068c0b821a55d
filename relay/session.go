package relay

import (
	"sync"

	"moa/policy"
)

// session is one connection, from its handshake to its end. Its life:
//
//	awake    its goroutine handles a message, in its turn      handle, take
//	waiting  its goroutine waits for the next message          await, readGrown
//	asleep   it has no goroutine, and is this struct
//	stopped  no message is handled any more                    stop, part, survive
//	ended    what it held is given back                        end
//
//	connect --Wake--> awake <------> waiting --Sleep--> asleep --Wake--> awake
//	                    |               |
//	                    +--- an error --+--> end --> ended
//
// Only the session's own goroutine moves it between awake, waiting and asleep, and
// ends it. Wake starts that goroutine: connect calls it once, and then the
// ws.Conn, once for each sleep, when there is something to read or the connection
// is closed. The goroutine waits for as long as attention; after an EVENT it waits
// without limit, for at most maxGrown sessions at once.
//
// Any other goroutine may close the connection (cut, relieve, Failed). That moves
// nothing by itself: the session's own goroutine is woken by it, or finds the error,
// and ends the session. The shutdown calls stop on a goroutine of its own, which
// waits for the turn; the session then is awake, waiting or asleep as before, but
// handles nothing, until the close is through and it ends.
type session struct {
	client

	// Fixed once made.
	chain *policy.Chain // that has accepted the connection, and is owed a Disconnect
	conns *conns

	row int32 // messages that were taken without a pause; owned by the session's goroutine

	// turn is held while a message is handled, and when the session is stopped
	// between two of them. It guards the following.
	turn    sync.Mutex
	stopped bool
	batch   *batch         // EVENTs read and not yet verified, nil if there are none
	subs    *subscriptions // nil before the first REQ or COUNT
	counts  *counts        // nil before the first COUNT
	syncs   *syncs         // nil before the first NEG-OPEN
	garbage garbage
}

// mayStay ends the connection of a client that may not connect any more.
func (s *session) mayStay(st *settings) {
	if st.chain.MayStay(&s.client).Action != policy.Accept && s.leaves(dropBlocked) {
		s.log.Info("connection ended, its address is blocked", "conn", s.id, "ip", s.ip)
		s.conn.CloseNow()
	}
}

// review asks about all that is open on the connection, and ends what is not
// allowed any more. The caller has the session's turn.
func (s *session) review() {
	st := s.settings.Load()
	if s.subs != nil {
		s.subs.review(st)
	}
	if s.syncs != nil {
		s.syncs.review(st)
	}
}
