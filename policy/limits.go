package policy

import "time"

// Limits are what a relay tells its clients about its policies (NIP-11
// `limitation`). A zero field says nothing.
type Limits struct {
	EventTags        int           // most tags an event may have
	ContentLength    int           // most Unicode characters of content
	MinPoW           int           // bits asked of every event (NIP-13)
	PoW              bool          // some events, or all, may need proof of work
	AuthRequired     bool          // before anything else
	RestrictedWrites bool          // not everybody may write everything
	OldestCreatedAt  time.Duration // how far back created_at may lie, for every kind
	NewestCreatedAt  time.Duration // how far ahead it may lie
}

// merge keeps the stricter of each field.
func (l *Limits) merge(m Limits) {
	l.EventTags = stricter(l.EventTags, m.EventTags)
	l.ContentLength = stricter(l.ContentLength, m.ContentLength)
	l.OldestCreatedAt = stricter(l.OldestCreatedAt, m.OldestCreatedAt)
	l.NewestCreatedAt = stricter(l.NewestCreatedAt, m.NewestCreatedAt)
	l.MinPoW = max(l.MinPoW, m.MinPoW)
	l.PoW = l.PoW || m.PoW
	l.AuthRequired = l.AuthRequired || m.AuthRequired
	l.RestrictedWrites = l.RestrictedWrites || m.RestrictedWrites
}

// stricter is the smaller one of two bounds, of which 0 is none.
func stricter[T int | time.Duration](a, b T) T {
	if a == 0 || b == 0 {
		return max(a, b)
	}
	return min(a, b)
}

// Limits sums up what the enforced policies announce that concern everybody:
// the strictest of each. That some may need proof of work is said in any case.
func (c *Chain) Limits() Limits {
	var sum Limits
	for _, n := range c.Links() {
		a, ok := n.Policy.(Announcer)
		switch {
		case !ok || n.Mode != Enforce:
		case n.Only == nil && n.Unless == nil:
			sum.merge(a.Limits())
		default:
			sum.PoW = sum.PoW || a.Limits().PoW
		}
	}
	return sum
}
