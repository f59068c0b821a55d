package badgerstore

// part is one filter of a scan.
type part struct {
	matcher
	plan
	*privacy         // nil: the filter asks for no private kind
	left     int     // of its limit; store.Unlimited
	peek     int     // once left is 0: how many more events to look at
	hit      bool    // one of its cursors led to the event at hand
	by       *cursor // that one
	done     bool
}

// peekEvents is how many events a filter whose limit is reached looks at to
// find out whether there is one more.
const peekEvents = 64

// side is what the plan's list i is read for.
func (p *part) side(i int) side {
	switch {
	case !p.splits || i >= len(p.lists):
		return allKinds
	case i < p.public:
		return publicKinds
	}
	return privateKinds
}

// admits decides from a tail alone what it can about an event of a list.
func (p *part) admits(t *tail, s side) bool {
	return p.matcher.admits(t) && (s == allKinds || p.private(t.kind()) == (s == privateKinds))
}

// matches decides about a whole record.
func (p *part) matches(v value) bool {
	return p.matcher.matches(v) && (p.privacy == nil || p.lets(v))
}

// keys is of how many lists and lookups the plan is, and key one of them.
func (p *part) keys() int { return len(p.lists) + len(p.lookups) }

func (p *part) key(i int) []byte {
	if i < len(p.lists) {
		return p.lists[i]
	}
	return p.lookups[i-len(p.lists)]
}

// hitExact reports that a key alone proves a match.
func (sc *scan) hitExact() bool {
	for _, part := range sc.parts {
		if part.hit && part.exact && !part.done && (!part.byAuthor || part.by.proved) {
			return true
		}
	}
	return false
}

// prove notes whether the lists of authors that led to v are of authors asked for.
func (sc *scan) prove(v value) {
	for _, part := range sc.parts {
		if part.hit && part.byAuthor {
			part.by.proved = part.HasAuthor(*v.pk())
		}
	}
}

func (sc *scan) unhit() {
	for _, part := range sc.parts {
		part.hit = false
	}
}

// visibleBytes of an event that Visible withholds are one of work: to decide
// about it it may be parsed.
const visibleBytes = 1 << 10

// offer counts v for the parts that were hit and match, and finds it if one of
// them has room.
func (sc *scan) offer(p *page, t *tail, v value) error {
	gone := v.expires() != 0 && v.expires() <= sc.q.Now || len(sc.hidden) > 0 && sc.hidden.has(&stored{*t, v})
	matched := false
	for _, part := range sc.parts {
		if !part.hit || part.done {
			part.hit = false
			continue
		}
		part.hit = !gone && part.matches(v)
		matched = matched || part.hit
		if !part.hit && part.left == 0 {
			sc.peeked(part, 1)
		}
	}
	if !matched {
		return nil
	}
	sc.rec = v.record(t)
	if sc.q.Visible != nil && !sc.q.Visible(&sc.rec) {
		p.work += len(sc.rec.Raw) / visibleBytes
		sc.unhit()
		return nil
	}
	if !sc.take() {
		return nil
	}
	p.events++
	p.bytes += len(sc.rec.Raw)
	if p.found == nil {
		return nil
	}
	return p.found(&sc.rec)
}

// take counts a match for the parts that were hit, and reports whether one of
// them had room.
func (sc *scan) take() (wanted bool) {
	for _, part := range sc.parts {
		if !part.hit {
			continue
		}
		part.hit = false
		switch {
		case part.left == 0:
			sc.finish(part)
		case part.left > 0:
			part.left--
			wanted = true
		default:
			wanted = true
		}
	}
	return wanted
}

// peeked counts events that part looked at in vain after its limit.
func (sc *scan) peeked(part *part, events int) {
	if part.peek -= events; part.peek <= 0 {
		sc.finish(part)
	}
}

// peekedAt counts events that were looked at in vain, by whichever part.
func (sc *scan) peekedAt(events int) {
	for _, part := range sc.parts {
		if part.left == 0 && !part.done && events > 0 {
			sc.peeked(part, events)
		}
	}
}

// finish ends a part whose limit cut something off, or may have.
func (sc *scan) finish(part *part) {
	part.done = true
	sc.partial = true
	sc.active--
}
