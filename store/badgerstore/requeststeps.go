package badgerstore

import (
	"context"
	"slices"
	"time"
)

// step takes a step of r, which is to begin again if the commit fails.
func (w *writer) step(r request) (done bool, err error) {
	if !slices.Contains(w.stepped, r) {
		w.stepped = append(w.stepped, r)
	}
	return r.step(w)
}

// finish does all of r, however much.
func (w *writer) finish(r request) error {
	for {
		if done, err := w.step(r); done || err != nil {
			return err
		}
	}
}

// beginRequest has the rest of r done behind the commits.
func (s *Store) beginRequest(r request) {
	if s.requests.begin(r) {
		s.later(s.stepRequests)
	}
}

// requestRetry is how long requests wait after a failed write.
const requestRetry = 10 * time.Second

// stepRequests does what is under way, each in turn, a step a commit.
func (s *Store) stepRequests(ctx context.Context) {
	for r := s.requests.next(); r != nil; r = s.requests.next() {
		err := s.stepRequest(r)
		if ctx.Err() != nil {
			return // Open goes on
		}
		if err != nil {
			s.log.Error("what a kind 5 or 62 event asks to be removed is not removed yet", "serial", r.job(), "err", err)
			if !pause(ctx, requestRetry) {
				return
			}
		}
	}
}

// stepRequest takes a step of r, and shows what it hides when that was the last.
func (s *Store) stepRequest(r request) error {
	done := false
	err := s.update(s.opt.ReserveMB/2, func(w *writer) (err error) {
		if done, err = w.step(r); done {
			w.del(jobKey(r.job()))
			err = w.dropExpired(r)
		}
		return err
	})
	if err == nil && done {
		s.requests.end(r)
	}
	return err
}

// payDeletions keeps the kind 5 events under way within their bounds: a client that sends
// more of them than are removed behind the commits waits for it.
func (w *writer) payDeletions() error {
	for {
		d := w.s.requests.overdue()
		if d == nil {
			return nil
		}
		if _, err := w.step(d); err != nil {
			return err
		}
	}
}

// dropLater has the event of r, at t, which has expired, go with the last step, for
// after a crash it tells what is left to do. It reports false of one that is to go
// already.
func (w *writer) dropLater(r request, t *tail) (bool, error) {
	v, err := w.value(t)
	h := w.s.requests.hidden()
	if err != nil || slices.Contains(h[r.author()].expired, *t) || len(v) > 0 && h.has(&stored{*t, v}) {
		return false, err
	}
	w.set(jobKey(t.serial()|dropped), append([]byte{jobDrop}, t[:]...))
	w.s.requests.expire(r, t)
	return true, nil
}

// dropExpired drops the event of r, of which all is done, if it has expired since.
func (w *writer) dropExpired(r request) error {
	for _, t := range w.s.requests.hidden()[r.author()].expired {
		if t.serial() != r.job() {
			continue
		}
		w.del(jobKey(r.job() | dropped))
		v, err := w.value(&t)
		if err != nil || v == nil {
			return err
		}
		return w.dropRoomy(stored{t, v})
	}
	return nil
}
