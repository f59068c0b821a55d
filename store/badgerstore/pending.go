package badgerstore

// pending is the keys that the writer has set and cannot yet read from Badger, those
// of the commit under way included, as far as it looks such keys up. It is used by
// the writer alone.
type pending struct {
	latest map[string]pendingWrite
	open   []write // of the commit under way
	closed []pendingCommit
	number uint64 // of the commit under way
}

type pendingWrite struct {
	write
	commit uint64
}

// pendingCommit is a commit that the backlog has.
type pendingCommit struct {
	number, epoch uint64
	writes        []write
}

func newPending() *pending { return &pending{latest: map[string]pendingWrite{}} }

// readBack reports a key that the writer looks up; the others it only writes.
func readBack(key []byte) bool {
	switch key[0] {
	case keyRecord, keyID, keyLatest, keyBar, keyGone, keyGoneAddr, keyVanished:
		return true
	}
	return false
}

func (p *pending) add(op write) {
	if readBack(op.key) {
		p.open = append(p.open, op)
		p.latest[string(op.key)] = pendingWrite{op, p.number}
	}
}

// close ends the commit under way, which the backlog has in that epoch.
func (p *pending) close(epoch uint64) {
	if len(p.open) > 0 {
		p.closed = append(p.closed, pendingCommit{p.number, epoch, p.open})
		p.open = nil
	}
	p.number++
}

// forget drops what Badger shows to transactions from now on: the epochs
// before flushed.
func (p *pending) forget(flushed uint64) {
	n := 0
	for ; n < len(p.closed) && p.closed[n].epoch < flushed; n++ {
		for _, op := range p.closed[n].writes {
			if p.latest[string(op.key)].commit == p.closed[n].number {
				delete(p.latest, string(op.key))
			}
		}
	}
	if n > 0 {
		p.closed = append(p.closed[:0], p.closed[n:]...)
	}
}

// undo forgets the commit under way.
func (p *pending) undo() {
	if len(p.open) == 0 {
		return
	}
	p.open = nil
	clear(p.latest)
	for _, c := range p.closed {
		for _, op := range c.writes {
			p.latest[string(op.key)] = pendingWrite{op, c.number}
		}
	}
}
