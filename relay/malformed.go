package relay

import "time"

// maxGarbage is how many messages in a row end a connection that are none. One
// that is malformed and says by an id which event or subscription it is about is
// answered by that: it may come from a client that means well, and has a row of them.
const maxGarbage = 256

// forgiven is the time in which one of them is forgotten, in seconds: a client that
// says "ping" every half a minute, and listens, may go on so.
const forgiven = 10

// garbage counts those messages of a connection in a row, less those that were
// forgiven.
type garbage struct {
	n    int32
	last uint32 // when the last of them came, Unix seconds
}

func (g *garbage) add() {
	now := uint32(time.Now().Unix())
	if g.n > 0 && now > g.last {
		g.n = int32(max(0, int64(g.n)-int64(now-g.last)/forgiven))
	}
	g.n++
	g.last = now
}

// clear forgets all: something else has come.
func (g *garbage) clear() { g.n = 0 }
