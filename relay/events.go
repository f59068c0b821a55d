package relay

import (
	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/sig"
	"moa/policy"
	"moa/relay/shares"
)

// event takes one EVENT as far as it goes without its signature.
func (s *session) event(st *settings, raw []byte) {
	e, err := s.parseEvent(raw)
	t := ticket{from: &s.client, e: e, chain: st.chain}
	if err != nil {
		if t.id = event.PeekID(raw); t.id == "" {
			s.garbage.add()
		}
		t.refuse(fateInvalid, reason.Invalid, err.Error())
		s.add(t, nil)
		return
	}
	s.garbage.clear()
	if v := s.rules(st, e); v.Action != policy.Accept {
		s.refuse(&t, v)
		s.add(t, nil)
		return
	}
	t.asked = st.chain.Generation()
	var early policy.Decision
	t.request = s.asksDesk(st, e)
	if e.Kind != event.KindVanish && !t.request {
		early = st.chain.Early(background, &s.client, e)
	}
	// A client that sends a restricted event is not told that it is stored before the
	// signature holds and all policies accept it: then the store says so.
	switch {
	case early.Action == policy.Reject:
		s.refuse(&t, early.Verdict)
	case st.chain.Open(&s.client, e) && s.ingest.has(e.ID):
		t.refuse(fateDuplicate, reason.Duplicate, "already have this event")
	default:
		if v := s.mayWeigh(st, &t); v.Action != policy.Accept {
			s.refuse(&t, v)
		}
	}
	s.add(t, &early)
	if t.request {
		s.submitBatch() // what comes next may depend on the answer
	}
}

// refuse decides the ticket by the verdict.
func (s *session) refuse(t *ticket, v policy.Verdict) {
	if v.Reason == "" {
		v.Reason = reason.Blocked
	}
	if v.Reason == reason.AuthRequired {
		s.RequestAuth()
	}
	t.refuse(fateRefused, v.Reason, v.Text)
}

// add puts the ticket behind those that wait for their signatures.
func (s *session) add(t ticket, early *policy.Decision) {
	if s.batch == nil {
		if t.fate != "" && s.open.Load() == 0 { // nothing to keep in order with
			s.met.events[t.fate].Inc()
			s.out.Offer(t.okay())
			return
		}
		s.batch = batches.Get().(*batch)
	}
	b := s.batch
	b.tickets = append(b.tickets, t)
	if early == nil {
		early = &policy.Decision{}
	}
	b.early = append(b.early, *early)
	if t.e != nil {
		b.bytes += len(t.e.Raw)
	}
}

// submitBatch verifies the signatures of the batch, asks the late policies, and hands
// the events to the writer.
func (s *session) submitBatch() {
	b := s.batch
	if b == nil {
		return
	}
	s.batch = nil
	if held := s.holdBatch(b); held > 0 {
		defer s.account.Give(shares.Inbox, held)
	}
	s.verify(b)
	st := s.settings.Load()
	for i := range b.tickets {
		if t := &b.tickets[i]; t.fate == "" {
			s.late(st, t, b.early[i])
		}
	}
	s.open.Add(int32(len(b.tickets)))
	s.tickets.Add(len(b.tickets))
	s.ingest.submit(b.tickets)
	b.release()
}

// verify refuses what is not signed by its author.
func (s *session) verify(b *batch) {
	c := checks.Get().(*check)
	defer checks.Put(c)
	c.records = c.records[:0]
	for i := range b.tickets {
		if t := &b.tickets[i]; t.fate == "" {
			c.records = append(c.records, sig.Record{PubKey: t.e.PubKey, Msg: t.e.ID, Sig: t.e.Sig})
		}
	}
	if len(c.records) == 0 {
		return
	}
	if len(c.records) > fewInARow {
		s.account.slots.take()
		defer s.account.giveSlot()
	}
	s.verifier.verify(c)
	k := 0
	for i := range b.tickets {
		if t := &b.tickets[i]; t.fate == "" {
			if !c.valid[k] {
				t.refuse(fateInvalid, reason.Invalid, "the signature does not hold")
			}
			k++
		}
	}
}

// late decides what becomes of an event whose signature holds.
func (s *session) late(st *settings, t *ticket, early policy.Decision) {
	if t.request {
		s.decideRequest(st, t)
		return
	}
	d := early
	switch {
	case t.e.Kind == event.KindVanish:
		d.Verdict = s.mayVanish(st)
	case d.Action != policy.Shadow:
		d = t.chain.Late(background, &s.client, t.e, early)
	}
	if d.Action == policy.Wait {
		if d.Verdict = t.chain.Hold(s.life, &s.client, t.e, d.By); d.Action == policy.Wait {
			t.refuse(fateWaiting, d.Reason, d.Text)
			return
		}
	}
	switch {
	case d.Action == policy.Reject:
		s.refuse(t, d.Verdict)
	case d.Action == policy.Shadow:
		t.fate = fateShadowed
	case d.Action == policy.RelayOnly || event.Ephemeral(t.e.Kind):
		t.fate, t.replay = fateRelayed, d.Action != policy.RelayOnly
	}
}

// resolveAll waits until all EVENTs so far are decided and their OKs queued.
func (s *session) resolveAll() {
	s.submitBatch()
	if s.open.Load() > 0 {
		s.tickets.Wait()
	}
}
