package relay

import "time"

// maxGarbage is how many malformed messages in a row end a connection.
const maxGarbage = 256

// forgiven is the time in which one malformed message is forgotten: a client
// that says "ping" every half a minute, and listens, may go on so.
const forgiven = 10 * time.Second

// garbage counts the malformed messages of a connection in a row, less those
// that were forgiven.
type garbage struct {
	n    int
	last time.Time // of them
}

func (g *garbage) add() {
	now := time.Now()
	if g.n > 0 {
		g.n = max(0, g.n-int(now.Sub(g.last)/forgiven))
	}
	g.n++
	g.last = now
}

// clear forgets all: something else has come.
func (g *garbage) clear() { g.n = 0 }
