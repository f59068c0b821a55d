package relay

import (
	"encoding/hex"
	"fmt"
	"time"

	"moa/nips/event"
	"moa/nips/nip77"
	"moa/nips/reason"
	"moa/policy"
	"moa/store"
)

// negOpen answers a NEG-OPEN. Whatever was open by that id ends first.
func (s *session) negOpen(st *settings, id string, filters []*event.Filter, text string) {
	s.closeSync(id)
	if !st.cfg.Sync.Enabled {
		s.negErr(id, reason.Blocked, "negentropy is not enabled here", 0)
		return
	}
	message, ok := s.negentropy(id, text)
	if !ok {
		return
	}
	if err := nip77.Check(message); err != nil {
		s.negErr(id, reason.Invalid, err.Error(), 0)
		return
	}
	if name := filters[0].Unindexed; name != "" { // "nothing" would have the client send all that it has
		s.negErr(id, reason.Unsupported, fmt.Sprintf("tags of the name %q are not indexed here", name), 0)
		return
	}
	generation := st.generation() // before the policies are asked
	filters, v := s.admit(st, id, filters, false)
	if v.Action == policy.Reject {
		s.negErr(id, v.Reason, v.Text, 0)
		return
	}
	s.withholds(st, filters)
	if s.syncs == nil {
		s.syncs = newSyncs(&s.client)
		s.syncSweeper.join(s.syncs)
	}
	if s.syncs.len() >= st.cfg.Sync.Sessions {
		s.negErr(id, reason.RateLimited, fmt.Sprintf("more than %d syncs are open on this connection", st.cfg.Sync.Sessions), 0)
		return
	}
	r := &syncing{
		id: id, most: st.cfg.Sync.Events, bytes: filterBytes(filters), start: time.Now(),
		begin: func() store.Scan { return s.everything(st, filters) }, message: message,
	}
	r.right.grant(filters, generation)
	if v := s.holdFilters(st, r.bytes+len(message)); v.Action == policy.Reject {
		s.negErr(id, v.Reason, v.Text, 0)
		return
	}
	r.bytes += len(message)
	s.syncs.add(r)
}

// negMsg answers a NEG-MSG.
func (s *session) negMsg(st *settings, id, text string) {
	var r *syncing
	if s.syncs != nil {
		r = s.syncs.find(id)
	}
	if r == nil {
		s.negErr(id, reason.Closed, "no sync is open by this id, or it has taken too long", 0)
		return
	}
	if s.gone() {
		s.syncs.remove(r)
		return
	}
	message, ok := s.negentropy(id, text)
	if !ok {
		return
	}
	if !s.syncs.hear(r, message) {
		s.syncs.fail(r, reason.Invalid, "the message before is not answered yet", 0)
		return
	}
	if why := r.right.lost(&s.client); why.Action == policy.Reject {
		s.syncs.lose(r, why)
		return
	}
	answer, err := s.compare(st, r, message)
	if err != nil {
		s.syncs.fail(r, reason.Invalid, err.Error(), 0)
		return
	}
	s.syncs.answer(r, message, answer)
}

// compare answers a message. It may look through all that r has.
func (s *session) compare(st *settings, r *syncing, message []byte) ([]byte, error) {
	s.account.slots.take()
	defer s.account.giveSlot()
	return r.set.Answer(message, s.frame(st))
}

// negentropy reads the message in hex. False: it is none, and the
// sync of that id has ended.
func (s *session) negentropy(id, text string) (message []byte, ok bool) {
	message, err := hex.DecodeString(text)
	if err != nil {
		s.closeSync(id)
		s.negErr(id, reason.Invalid, "the message is not hex", 0)
		return nil, false
	}
	s.met.syncReceived.Add(float64(len(message)))
	return message, true
}

// closeSync ends a sync without a word (NIP-77).
func (s *session) closeSync(id string) {
	if s.syncs == nil {
		return
	}
	if r := s.syncs.find(id); r != nil {
		s.syncs.remove(r)
	}
}
