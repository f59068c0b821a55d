package relay

import (
	"sync/atomic"
	"time"
)

// pace slows down an address that says very much: each message but a good EVENT is
// taken for so much work, and an address for which too much is to be done waits before
// its next message is read. No client is refused for it, and one that says two thousand
// things at once waits for none of them.
type pace struct {
	until atomic.Int64 // when what was charged is done, in nanoseconds since paceBegan
}

// What a message is taken for, and how much of it may come at once.
const (
	messageWork = 50 * time.Microsecond
	authWork    = 10 // messages: it is signed
	paceBurst   = 100 * time.Millisecond
)

// paceBegan is a time that no clock that is set changes.
var paceBegan = time.Now()

func (p *pace) charge(now, work time.Duration) {
	for {
		old := p.until.Load()
		if p.until.CompareAndSwap(old, max(old, int64(now))+int64(work)) {
			return
		}
	}
}

// behind is how long the address has to wait.
func (p *pace) behind(now time.Duration) time.Duration {
	return time.Duration(p.until.Load()) - now - paceBurst
}
