package nip77

import "moa/nips/event"

// MinFrame is the least Frame.Bytes: below it the protocol may not get on.
const MinFrame = 4096

// ClientShare is how much a client answers to one fingerprint at most, in bytes:
// the ids of 31 records and a bound, or 16 fingerprints with theirs. So do the
// implementations that are known, and so does this one.
const ClientShare = 1100

// Frame bounds an answer.
type Frame struct {
	Bytes int // at least MinFrame
	// Fingerprints is how many there may be, so that what the client answers to
	// them fits into a message too; about buckets more may come in the first range.
	Fingerprints int
}

// How a range whose fingerprints differ is cut into smaller ones.
const (
	buckets  = 16
	fewItems = 2 * buckets // fewer are listed
)

// What the parts of an answer take at most, in bytes.
const (
	boundBytes = maxVarint + 1 + len(event.ID{})
	skipBytes  = boundBytes + 1
	splitBytes = max(buckets*(boundBytes+1+fingerprintSize), boundBytes+2+(fewItems-1)*len(event.ID{}))
	restBytes  = boundBytes + 1 + fingerprintSize // what is put off
)

// Answer answers a client's message. One in another version of the protocol is
// answered with the version that is spoken here (NIP-77). An error is about the
// message and for its author. s is sealed.
//
// What does not fit is put off: the answer ends with a fingerprint of all that
// is left, and the client asks on there.
func (s *Set) Answer(message []byte, frame Frame) ([]byte, error) {
	r, err := newReader(message)
	if err != nil {
		return nil, err
	}
	a := answer{set: s, frame: frame, out: []byte{Version}}
	for len(r.rest) > 0 {
		asked, err := r.span()
		if err != nil {
			return nil, err
		}
		a.take(&asked)
	}
	if a.full {
		a.fingerprint(a.left, &a.end)
	}
	return a.out, nil
}

// answer is one being written. It is about the same ranges as the message, one
// after the other:
//
//  1. at is the first item of the range at hand; lower is the first that is
//     neither in out nor skipped, the same until out is full.
//  2. A range about which there is nothing to say is skipped, which is written
//     down before the next one about which there is; at the end it need not be.
//  3. Where a range does not fit any more, it and all up to the last one about
//     which there is something to say become one, which is fingerprinted. The
//     protocol's authors take all up to infinity; this repeats less.
type answer struct {
	set   *Set
	frame Frame
	out   []byte

	at, lower    int
	last         uint64 // time of the last bound in out
	skipped      bound
	skipping     bool
	fingerprints int

	full bool
	left int   // if full: what is put off goes from lower up to here
	end  bound // of it
}

func (a *answer) take(asked *span) {
	upper := a.set.find(a.at, &asked.upper)
	agreed := asked.mode == modeSkip ||
		asked.mode == modeFingerprint && asked.is(a.set.fingerprint(a.at, upper))
	switch {
	case a.full && !agreed:
		a.putOff(upper, &asked.upper)
	case a.full:
	case agreed:
		a.skipped, a.skipping = asked.upper, true
		a.lower = upper
	case asked.mode == modeIDs:
		a.list(upper, &asked.upper)
	default:
		a.split(upper, &asked.upper)
	}
	a.at = upper
}

// putOff leaves everything up to end to the next answer.
func (a *answer) putOff(upper int, end *bound) { a.full, a.left, a.end = true, upper, *end }

// list tells the ids from lower up to upper, or as many as there is room for.
func (a *answer) list(upper int, end *bound) {
	room := (a.room() - boundBytes - 1 - maxVarint) / len(event.ID{})
	if n := upper - a.lower; n <= room {
		a.ids(upper, end)
		return
	}
	if room >= fewItems {
		cut := a.lower + room
		short := between(a.set.at(cut-1), a.set.at(cut))
		a.ids(cut, &short)
	}
	a.putOff(upper, end)
}

// split cuts the range up to upper into smaller ones.
func (a *answer) split(upper int, end *bound) {
	n := upper - a.lower
	few := n < fewItems
	enough := a.fingerprints > 0 && a.fingerprints+buckets >= a.frame.Fingerprints
	switch {
	case a.room() < splitBytes || enough && !few:
		a.putOff(upper, end)
		return
	case few:
		a.ids(upper, end)
		return
	}
	for i := range buckets {
		next := a.lower + n/buckets
		if i < n%buckets {
			next++
		}
		short := *end
		if next < upper {
			short = between(a.set.at(next-1), a.set.at(next))
		}
		a.fingerprint(next, &short)
	}
}

// room is how much fits besides a skip and what is put off.
func (a *answer) room() int { return a.frame.Bytes - len(a.out) - skipBytes - restBytes }

func (a *answer) fingerprint(upper int, end *bound) {
	a.begin(end, modeFingerprint)
	fp := a.set.fingerprint(a.lower, upper)
	a.out = append(a.out, fp[:]...)
	a.fingerprints++
	a.lower = upper
}

func (a *answer) ids(upper int, end *bound) {
	a.begin(end, modeIDs)
	a.out = appendVarint(a.out, uint64(upper-a.lower))
	for ; a.lower < upper; a.lower++ {
		id := &a.set.at(a.lower).id
		a.out = append(a.out, id[:]...)
	}
}

// begin writes the head of a range, and of the skipped one before it.
func (a *answer) begin(end *bound, m mode) {
	if a.skipping {
		a.skipping = false
		a.begin(&a.skipped, modeSkip)
	}
	a.out = append(appendBound(a.out, a.last, end), byte(m))
	a.last = end.time
}

// Final reports that the answer to a message leaves its client nothing to ask: it
// has no fingerprint. What asks for nothing itself, or is of another version,
// has no such answer.
func Final(message, answer []byte) bool {
	if len(message) < 2 || message[0] != Version {
		return false
	}
	r, err := newReader(answer)
	for err == nil && len(r.rest) > 0 {
		var s span
		if s, err = r.span(); s.mode == modeFingerprint {
			return false
		}
	}
	return err == nil
}
