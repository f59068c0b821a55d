package relay

import (
	"math"
	"runtime/debug"

	"moa/relay/shares"
)

// maxVisitBytes is for the answers over HTTP, all together, until they are out.
const maxVisitBytes = 32 << 20

// boundsOf are the bounds that a configuration sets.
func boundsOf(cfg *Config) *shares.Bounds {
	l := &cfg.Limits
	return &shares.Bounds{
		shares.Outbox:  shares.Of(l.outboxTotal(), 2*l.OutboxBytes),
		shares.Filters: shares.Of(l.filtersTotal(), l.FilterBytes),
		shares.Counts:  {Most: math.MaxInt64, Share: int64(l.CountsPerIP)},
		shares.Syncs:   shares.Of(cfg.Sync.TotalEvents, cfg.Sync.Events),
		shares.Geo:     shares.Of(maxVisitBytes, 0),
		shares.Inbox:   shares.Of(l.inboxTotal(), l.inboxLeast()),
	}
}

func (l *Limits) outboxTotal() int { return totalBytes(l.OutboxTotalMiB, 4, 512, l.OutboxBytes) }

func (l *Limits) filtersTotal() int { return totalBytes(l.FiltersTotalMiB, 8, 256, l.FilterBytes) }

func (l *Limits) inboxTotal() int { return totalBytes(l.InboxTotalMiB, 8, 256, l.inboxLeast()) }

// inboxLeast is what one connection may need: a message of twice the length, as
// the longest is refused by what it is about, and the same inflated.
func (l *Limits) inboxLeast() int { return 2*2*l.MessageBytes + maxBatchBytes }

// totalBytes is a total that is configured as so many MiB; 0: that part of what
// memory the process is to keep to, or else otherwise MiB.
func totalBytes(mib, part, otherwise, least int) int {
	if mib > 0 {
		return mib << 20
	}
	if limit := debug.SetMemoryLimit(-1); limit < math.MaxInt64 {
		return max(int(limit)/part, least)
	}
	return max(otherwise<<20, least)
}
