package relay

import (
	"context"
	"sync/atomic"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// Who may read is decided when a REQ, a COUNT or a NEG-OPEN comes, and again
// before anything more is sent for it if people, policies or settings have
// changed meanwhile:
//
//  1. settings.generation numbers the states of what decides.
//  2. Each question keeps the right that let it in, with the generation in which
//     it was asked last.
//  3. Where something is about to be sent, the two are compared. If they differ
//     the right is asked about anew, and what has lost it ends with the reason.
//  4. Server.review does the same where nothing is sent, so that nobody believes
//     to be subscribed who is not.

// right is what let one question in.
type right struct {
	kinds [][]uint16 // of each filter; nil: all
	// asks: the policies are asked about each event that is found, as it is sent.
	asks  bool
	since atomic.Uint64 // the generation in which it was asked last
}

// grant begins a right. since is the generation before anybody was asked.
func (r *right) grant(filters []*event.Filter, since uint64) {
	r.kinds = askedKinds(filters)
	r.since.Store(since)
}

func askedKinds(filters []*event.Filter) [][]uint16 {
	kinds := make([][]uint16, len(filters))
	for i, f := range filters {
		kinds[i] = f.Kinds
	}
	return kinds
}

// lost says why the right does not hold any more. An Accept: it does.
func (r *right) lost(s *session) policy.Verdict {
	st := s.srv.settings.Load()
	now := st.generation()
	if now == r.since.Load() {
		return policy.Verdict{}
	}
	v := r.refused(s, st)
	if v.Action != policy.Reject {
		r.since.Store(now)
	}
	return v
}

// refused asks, whatever the generation.
func (r *right) refused(s *session, st *settings) policy.Verdict {
	for _, kinds := range r.kinds {
		if d := st.chain.MayRead(s, kinds); d.Action == policy.Reject {
			return d.Verdict
		}
	}
	since := r.since.Load()
	if nthOf(since) < st.asksSince || !r.asks && since != st.generation() && s.restricted(st.chain, r.kinds) {
		return policy.Refuse(reason.Error, "who may read has changed meanwhile, ask again")
	}
	return policy.Verdict{}
}

// lostRight is a REQ that is to end.
type lostRight struct {
	*query
	why policy.Verdict
}

// end tells the client. No lock of a subscription is held.
func (l *lostRight) end() {
	b := l.subs
	b.mu.Lock()
	defer b.mu.Unlock()
	l.loseLocked(l.why)
}

func (q *query) loseLocked(why policy.Verdict) {
	if why.Reason == reason.AuthRequired {
		q.subs.s.RequestAuth()
	}
	q.endLocked(why.Reason, why.Text)
}

// review asks about all that is open on the connection, and ends what is not
// allowed any more. The caller has the session's turn.
func (s *session) review() {
	st := s.srv.settings.Load()
	if s.subs != nil {
		s.subs.review(st)
	}
	if s.syncs != nil {
		s.syncs.review(st)
	}
}

// reviewEvery is how often Server.review looks for a change.
const reviewEvery = time.Second

// review ends what is open and not allowed any more, until ctx ends. A session
// that is at work is passed over: what it sends is asked about as it is sent.
func (s *Server) review(ctx context.Context) {
	last := s.settings.Load().generation()
	for pause(ctx, reviewEvery) {
		now := s.settings.Load().generation()
		if now == last {
			continue
		}
		last = now
		for _, c := range s.conns.list() {
			if c.turn.TryLock() {
				c.review()
				c.turn.Unlock()
			}
		}
	}
}
