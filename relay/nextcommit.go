package relay

// A commit ends at so many events or so much weight: enough to spread a sync of
// the disk, little enough that none waits long for it.
const (
	maxCommit    = 512
	commitWeight = 8 << 10 // some 0.1 s
	// sessionWeight is what a session commits itself at most.
	sessionWeight = commitWeight / 4
)

// portions picks from what waits the tickets of the next commit.
//
//  1. As a rule it is all of them.
//  2. If that is too much, half of the commit is divided among the sources that
//     wait; then they have what is left of it, in the order in which it came.
//  3. A source that has had more than its portion waits for its turn while the
//     others have theirs. One source's tickets keep their order.
//  4. A ticket too heavy for any commit is a commit of its own; after it, other
//     sources go first.
//
// So one client's events that cost much stand in no other's way.
type portions struct {
	debts map[source]int      // weight that was taken beyond a portion
	spent map[source]spending // of the commit that is being put together
	held  map[source]bool
	taken []bool
	heavy bool // the last one was more than a commit takes
}

// spending is what a source, or all of them, have of a commit.
type spending struct{ tickets, weight int }

func (s spending) plus(weight int) spending { return spending{s.tickets + 1, s.weight + weight} }

// pick appends the next tickets to batch and returns the others.
func (p *portions) pick(batch, waiting []ticket) (picked, rest []ticket) {
	if fitting(waiting) {
		clear(p.debts)
		p.heavy = false
		return append(batch, waiting...), waiting[:0]
	}
	if p.debts == nil {
		p.debts, p.spent, p.held = map[source]int{}, map[source]spending{}, map[source]bool{}
	}
	p.taken = append(p.taken[:0], make([]bool, len(waiting))...)
	for i := range waiting {
		p.spent[waiting[i].from.source()] = spending{}
	}
	c := selection{portions: p, waiting: waiting, sources: len(p.spent)}
	c.fill(true)
	c.fill(false)
	c.charge()
	rest = waiting[:0]
	for i := range waiting {
		if p.taken[i] {
			batch = append(batch, waiting[i])
		} else {
			rest = append(rest, waiting[i])
		}
	}
	return batch, rest
}

// fitting reports that everything is one commit.
func fitting(waiting []ticket) bool {
	weight := 0
	for i := range waiting[:min(len(waiting), maxCommit+1)] {
		weight += waiting[i].weight()
	}
	return len(waiting) <= maxCommit && weight <= commitWeight
}

// selection is the tickets of a commit that is being put together.
type selection struct {
	*portions
	waiting []ticket
	sources int
	spending
}

// portion is what each source has of it first.
func (c *selection) portion() spending {
	return spending{max(maxCommit/2/c.sources, 1), commitWeight / 2 / c.sources}
}

// fill takes what there is room for: portions only, or whatever waits.
func (c *selection) fill(portions bool) {
	clear(c.held)
	for i := range c.waiting {
		if c.tickets == maxCommit || c.weight >= commitWeight {
			return
		}
		t := &c.waiting[i]
		from := t.from.source()
		if c.taken[i] || c.held[from] {
			continue
		}
		w := t.weight()
		if c.weight > 0 && c.weight+w > commitWeight || portions && c.beyond(from, w) {
			c.held[from] = true // what follows it follows it
			continue
		}
		c.taken[i] = true
		c.spent[from] = c.spent[from].plus(w)
		c.spending = c.plus(w)
	}
}

// beyond reports a ticket that is more than its source's portion.
func (c *selection) beyond(from source, weight int) bool {
	its, most := c.spent[from], c.portion()
	its.weight += c.debts[from]
	return its.weight > 0 && (its.weight+weight > most.weight || its.tickets == most.tickets) ||
		c.heavy && weight > commitWeight
}

// charge writes down which sources have had too much, and lets each have a portion
// more.
func (c *selection) charge() {
	for from, its := range c.spent {
		c.debts[from] += its.weight
	}
	for from := range c.debts {
		if c.debts[from] -= c.portion().weight; c.debts[from] <= 0 {
			delete(c.debts, from)
		}
	}
	clear(c.spent)
	c.heavy = c.weight > commitWeight
}
