package admin

import (
	"sync"
	"time"
)

// pace says how many events come, from one look at the overview to the next.
type pace struct {
	mu    sync.Mutex // guards the following
	at    time.Time  // of the look before; zero: there was none
	taken int64
	rate  float64
	over  time.Duration // which rate is of
}

const (
	paceLeast = 10 * time.Second // between looks that a rate is made of
	paceMost  = 10 * time.Minute // an older look tells of another time
)

// look returns how many events came a second, and over which time. Without another look
// shortly before, that is since the start.
func (p *pace) look(f *Figures, now time.Time) (rate float64, over time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	since := now.Sub(p.at)
	if since >= 0 && since < paceLeast {
		return p.rate, p.over
	}
	begun, before := p.at, p.taken
	if since < 0 || since > paceMost {
		begun, before = f.Started, 0
	}
	p.over = max(now.Sub(begun), time.Second)
	p.rate = float64(f.Taken-before) / p.over.Seconds()
	p.at, p.taken = now, f.Taken
	return p.rate, p.over
}
