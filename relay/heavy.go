package relay

import (
	"bytes"
	"fmt"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/relay/shares"
)

// Costly work takes a slot of its address, or counts against what the address may
// send in a minute. Ordinary messages do neither.
const (
	heavyMessage = 8 << 10  // bytes
	heavyFilters = 64 << 10 // of filterBytes: some 300 values
	fewInARow    = 8        // messages, or signatures, that came without a pause
	lightWeight  = 128      // of an event: see ticket.weight
)

// heavy reports a message that takes a slot to be read.
func (s *session) heavy(n int) bool {
	return n >= heavyMessage || s.row > fewInARow || s.batch != nil && len(s.batch.tickets) > fewInARow
}

func (s *session) parse(frame []byte) (wire.Message, error) {
	if s.heavy(len(frame)) {
		s.account.slots.take()
		defer s.account.giveSlot()
	}
	return wire.Parse(frame)
}

func (s *session) parseEvent(raw []byte) (*event.Event, error) {
	if s.heavy(len(raw)) {
		s.account.slots.take()
		defer s.account.giveSlot()
	}
	return parseEvent(raw)
}

// leave is subscriptions.remove.
func (s *session) leave(q *query) {
	if q.bytes >= heavyFilters {
		s.account.slots.take()
		defer s.account.giveSlot()
	}
	s.subs.remove(q)
}

// mayWeigh takes an event of many tags, or a large one, into account. The writer
// is one for all, and no other event is decided while it stores such a one.
func (s *session) mayWeigh(st *settings, t *ticket) policy.Verdict {
	w := t.weight()
	if w <= lightWeight || s.account.free || event.Ephemeral(t.e.Kind) {
		return policy.Verdict{}
	}
	wait := s.weights.take(s.account.net, w, st.cfg.Limits.TagsPerIP, s.now())
	if wait <= 0 {
		return policy.Verdict{}
	}
	s.ledger.Refuse(shares.Tags, shares.Address)
	return policy.Refuse(reason.RateLimited, fmt.Sprintf("too many events of many tags from your address, try again in %s", max(wait, time.Second).Round(time.Second)))
}

// parseEvent reads the event of an EVENT or AUTH. Elements behind it are left
// out: see wire.Parse.
func parseEvent(raw []byte) (*event.Event, error) {
	e, err := event.Parse(bytes.Clone(raw)) // the frame's memory is the socket's
	if err == event.ErrFollowed {
		if object, ok := wire.First(raw); ok {
			return event.Parse(bytes.Clone(object))
		}
	}
	return e, err
}

// inbox is what the messages that an address sends may take, and the work that many
// of them in a row are. It implements ws.Room.
type inbox struct{ account *account }

func (i inbox) Take(n int) bool { return i.account.Take(shares.Inbox, n) == shares.Within }

func (i inbox) Give(n int) { i.account.Give(shares.Inbox, n) }

func (i inbox) Work() { i.account.slots.take() }

func (i inbox) Rest() { i.account.giveSlot() }

// holdBatch takes EVENTs into account that have been read and wait, for their
// signatures or for the writer, unless they are few. It refuses those for which
// there is no room.
func (s *session) holdBatch(b *batch) (held int) {
	const few = 64 << 10
	if b.bytes <= few {
		return 0
	}
	if s.account.Take(shares.Inbox, b.bytes) == shares.Within {
		return b.bytes
	}
	for i := range b.tickets {
		if t := &b.tickets[i]; t.fate == "" {
			t.refuse(fateRefused, reason.RateLimited, "too many large events are being received, try again later")
		}
	}
	return 0
}
