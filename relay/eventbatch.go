package relay

import (
	"sync"

	"moa/policy"
)

// maxBatchBytes is how much of EVENTs a session reads before it goes on with them.
const maxBatchBytes = 256 << 10

// batch is EVENTs of one session that arrived together: their signatures are
// verified together.
type batch struct {
	tickets []ticket
	early   []policy.Decision // of each
	bytes   int
}

func (b *batch) full() bool { return len(b.tickets) >= maxBatch || b.bytes >= maxBatchBytes }

var batches = sync.Pool{New: func() any { return new(batch) }}

func (b *batch) release() {
	clear(b.tickets)
	clear(b.early)
	b.tickets, b.early, b.bytes = b.tickets[:0], b.early[:0], 0
	batches.Put(b)
}
