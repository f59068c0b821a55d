package bench

import (
	"context"
	"fmt"
	"slices"
	"time"

	"moa/nips/event"
)

// verifyBatch is how many ids one REQ asks for.
const verifyBatch = 100

// idsAtOnce is verifyBatch, or fewer if the relay's NIP-11 allows no more.
func (s *Session) idsAtOnce() int {
	if l := s.Info.Limits.Limit; l > 0 && !s.IgnoreLimits {
		return min(verifyBatch, l)
	}
	return verifyBatch
}

// verify asks for accepted events among the given by id, at most most of them,
// evenly spread, and notes what is missing, under that name, or came back
// altered.
func (s *Session) verify(ctx context.Context, m *measure, numbers []int32, most int, lost FaultName) {
	v := s.truth.view()
	var want []int32
	for _, n := range numbers {
		if v.shown[n] == must {
			want = append(want, n)
		}
	}
	all := len(want)
	want = thin(want, most)
	a, err := s.asker(ctx, m)
	if err != nil {
		return
	}
	defer a.close()
	batch := s.idsAtOnce()
	checked := 0
	var missing []int32
	for from := 0; from < len(want) && ctx.Err() == nil; from += batch {
		part := want[from:min(from+batch, len(want))]
		absent, err := a.look(ctx, s.truth, part, s.Timeout)
		if err != nil {
			m.warn("the check of accepted events ended early: " + err.Error())
			break
		}
		missing = append(missing, absent...)
		checked += len(part)
	}
	m.note(fmt.Sprintf("%d of %d accepted events were asked for by id again", checked, all))
	s.again(ctx, a, v, missing, batch, lost)
	s.gone(ctx, a, v, numbers, most)
}

// gone asks by id for accepted events among the given that must not be there any
// more, at most most of them, and names those that come.
func (s *Session) gone(ctx context.Context, a *asker, v *view, numbers []int32, most int) {
	var ids []int32
	for _, n := range numbers {
		if v.shown[n] == mustNotDeleted || v.shown[n] == mustNotEphemeral {
			ids = append(ids, n)
		}
	}
	for part := range slices.Chunk(thin(ids, most), s.idsAtOnce()) {
		absent, err := a.look(ctx, s.truth, part, s.Timeout)
		if err != nil {
			return // look has named what was wrong
		}
		for _, n := range part {
			if !slices.Contains(absent, n) {
				a.m.faults.add(v.shown[n].fault(), v.events[n].ID.String)
			}
		}
	}
}

// lateAfter is how long an event may need to appear before it counts as lost.
const lateAfter = time.Second

// again asks once more for what was missing: what has come meanwhile was
// acknowledged too early, the rest is lost.
func (s *Session) again(ctx context.Context, a *asker, v *view, missing []int32, batch int, lost FaultName) {
	if len(missing) == 0 || !wait(ctx, time.Now().Add(lateAfter), nil) {
		return
	}
	for part := range slices.Chunk(missing, batch) {
		absent, err := a.look(ctx, s.truth, part, s.Timeout)
		if err != nil {
			absent = part
		}
		a.m.faults.addN(LateAfterOK, int64(len(part)-len(absent)), func() string { return "an event appeared a second later" })
		for _, n := range absent {
			a.m.faults.add(lost, v.events[n].ID.String)
		}
	}
}

// look asks for some events by id and returns those that are not there.
func (a *asker) look(ctx context.Context, t *truth, numbers []int32, timeout time.Duration) ([]int32, error) {
	found := make(map[event.ID]bool, len(numbers))
	f := event.Filter{IDs: make([]event.ID, 0, len(numbers)), Limit: len(numbers), HasLimit: true}
	for _, n := range numbers {
		f.IDs = append(f.IDs, t.events[n].ID)
	}
	err := a.ask(ctx, &f, timeout, func(e *event.Event) {
		if n, known := t.byID[e.ID]; known && e.Sig != t.events[n].Sig {
			a.m.faults.add(Altered, func() string { return "another signature: " + e.ID.String() })
		}
		found[e.ID] = true
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Clone(numbers), func(n int32) bool { return found[t.events[n].ID] }), nil
}

// thin returns at most most elements, evenly spread.
func thin[T any](list []T, most int) []T {
	if len(list) <= most {
		return list
	}
	out := make([]T, most)
	for i := range out {
		out[i] = list[i*len(list)/most]
	}
	return out
}
