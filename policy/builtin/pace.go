package builtin

import "time"

const (
	paceWork  = 300 * time.Microsecond // about as long as one client's question
	paceRests = 3                      // times what was worked
	paceMost  = 5 * time.Millisecond   // of a rest: what seemed to be work may have been waiting
)

// pacer spreads long work in the background over time, so that clients find a
// processor free: without it they would wait behind the work until the
// scheduler takes its processor away, 10 ms. A nil pacer does not rest.
type pacer struct{ since time.Time }

// newPacer begins to work.
func newPacer() *pacer { return &pacer{time.Now()} }

// rest rests, if it has been worked for long enough.
func (p *pacer) rest() {
	if p == nil {
		return
	}
	worked := time.Since(p.since)
	if worked < paceWork {
		return
	}
	time.Sleep(min(paceRests*worked, paceMost))
	p.since = time.Now()
}
