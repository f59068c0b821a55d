package relay

import (
	"sync/atomic"
	"time"

	"moa/nips/nip77"
	"moa/store"
)

// syncing is one sync: a NEG-OPEN (NIP-77). First the events of its filter are
// gathered, page by page, by the sync workers; from then on it is the client's
// turn, and the session's goroutine answers.
type syncing struct {
	// Fixed once made.
	id    string
	most  int // events
	bytes int // of the filter, until all is gathered
	start time.Time

	// Owned by the worker whose turn it is; nil once all is gathered.
	begin   func() store.Scan
	scan    store.Scan // nil: not begun
	message []byte     // of the NEG-OPEN

	// right is asked about before each answer. What was gathered is not: asks is
	// false, so that a change of what it was chosen by ends the sync.
	right right

	// set is the worker's, until ready; then it does not change.
	set nip77.Set

	// over is set under syncs.mu.
	over atomic.Bool

	// syncs.mu guards the following.
	ready  bool // all is gathered, and the NEG-OPEN answered
	parked bool // it waits until another of this connection gives events back
	held   int  // events that are charged to the address
	heard  time.Time
	last   uint64 // a hash of the message before
}

// frame bounds an answer: with its hex it takes no more than a quarter of the
// outbox, and what the client answers to it fits into a message.
func (c *client) frame(st *settings) nip77.Frame {
	return nip77.Frame{
		Bytes:        min(st.cfg.Sync.FrameBytes, c.limits.OutboxBytes/8),
		Fingerprints: st.cfg.Limits.MessageBytes / 2 / nip77.ClientShare,
	}
}
