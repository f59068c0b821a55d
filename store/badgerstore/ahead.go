package badgerstore

// ahead is what the writer has written and Badger does not show it yet, of the
// keys that it looks up. It is used by the writer alone.
type ahead struct {
	latest map[string]aheadWrite
	open   []write // of the commit under way
	closed []aheadCommit
	number uint64 // of the commit under way
}

type aheadWrite struct {
	write
	commit uint64
}

// aheadCommit is a commit that the backlog has.
type aheadCommit struct {
	number, round uint64
	writes        []write
}

func newAhead() *ahead { return &ahead{latest: map[string]aheadWrite{}} }

// readBack reports a key that the writer looks up; the others it only writes.
func readBack(key []byte) bool {
	switch key[0] {
	case keyRecord, keyID, keyLatest, keyBar, keyGone, keyGoneAddr, keyVanished:
		return true
	}
	return false
}

func (a *ahead) add(op write) {
	if readBack(op.key) {
		a.open = append(a.open, op)
		a.latest[string(op.key)] = aheadWrite{op, a.number}
	}
}

// close ends the commit under way, which the backlog has in that round.
func (a *ahead) close(round uint64) {
	if len(a.open) > 0 {
		a.closed = append(a.closed, aheadCommit{a.number, round, a.open})
		a.open = nil
	}
	a.number++
}

// forget drops what Badger shows to transactions from now on: the rounds
// before settled.
func (a *ahead) forget(settled uint64) {
	n := 0
	for ; n < len(a.closed) && a.closed[n].round < settled; n++ {
		for _, op := range a.closed[n].writes {
			if a.latest[string(op.key)].commit == a.closed[n].number {
				delete(a.latest, string(op.key))
			}
		}
	}
	if n > 0 {
		a.closed = append(a.closed[:0], a.closed[n:]...)
	}
}

// undo forgets the commit under way.
func (a *ahead) undo() {
	if len(a.open) == 0 {
		return
	}
	a.open = nil
	clear(a.latest)
	for _, c := range a.closed {
		for _, op := range c.writes {
			a.latest[string(op.key)] = aheadWrite{op, c.number}
		}
	}
}
