package relay

import (
	"moa/nips/event"
	"moa/store"
)

// chores are what the writer does between its commits.
type chores struct {
	expire bool // expired events are to be removed
	// removals are of operators that wait for the answer: one a command.
	removals []removal
}

// removal is what an operator wants removed, and the way back to them. Without ids
// it tells that what was taken before is done.
type removal struct {
	ids  []event.ID
	done chan<- removed // has room for the answer
}

type removed struct {
	events int
	err    error
}

// any reports that there is something to do.
func (c *chores) any() bool { return c.expire || len(c.removals) > 0 }

// sweepMost is how many expired events are removed in one step, so that the writer
// is not held up.
const sweepMost = 500

// do does the chores, and reports whether more events may have expired. Its caller
// leads.
func (c *chores) do(with *committer) (more bool) {
	if c.expire {
		n, err := with.store.Expire(with.life, with.now().Unix(), sweepMost)
		if err != nil {
			with.log.Error("expired events cannot be removed", "err", err)
		}
		more = err == nil && n == sweepMost
	}
	for _, r := range c.removals {
		if len(r.ids) == 0 { // it is a turn that is waited for
			r.done <- removed{}
			continue
		}
		n, err := with.store.(store.Remover).Remove(with.life, r.ids)
		r.done <- removed{n, err}
	}
	return more
}
