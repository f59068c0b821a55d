package relay

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync/atomic"
	"time"

	"moa/relay/hub"
	"moa/relay/outbox"
	"moa/relay/shares"
	"moa/relay/ws"
	"moa/store"
)

// shared is what all clients of a relay work with. It knows none of them.
type shared struct {
	// Fixed once made.
	limits   Limits // of the queues; a Reload does not change them
	log      *slog.Logger
	met      *metrics
	now      func() time.Time
	store    store.Store
	life     context.Context // ends what still reads or writes when the time for the shutdown is over
	ledger   *shares.Ledger
	verifier *verifier
	identity *Identity  // nil: the relay has no key of its own
	members  MemberDesk // nil: there are none
	vanished func()
	ingest   *ingest
	writers  *outbox.Writers
	// Each kind of question has workers of its own.
	queryWorkers, countWorkers, syncWorkers *scheduler
	syncSweeper                             *syncSweeper

	index    hub.Index[*ws.Body]
	live     liveEvent // owned by the goroutine that leads the fan-out
	vanishes vanishes
	requests requests
	weights  weights
	tasks    tasks

	settings  atomic.Pointer[settings]
	lastID    atomic.Uint64 // of a client
	grown     atomic.Int32  // sessions that wait with a stack that has grown
	panicTold atomic.Int64  // when a session's panic was logged, Unix seconds
}

// countPanic counts a panic that has cost a connection, and logs it. It is to be called
// by the deferred function that has recovered it.
func (s *shared) countPanic(what string, value any, attrs ...any) {
	s.met.sessionPanics.Inc()
	if now := time.Now().Unix(); s.panicTold.Swap(now) != now { // one a second tells as much as all
		s.log.Error(what, append(attrs, "panic", fmt.Sprint(value), "stack", string(debug.Stack()))...)
	}
}
