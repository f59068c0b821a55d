package relay_test

import (
	"context"
	"sync/atomic"
	"testing"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/relay/relaytest"
)

// worker is a policy with background work, whose state a test can see.
type worker struct {
	load    chan struct{} // nil: it has nothing to load; else it has once this is closed
	answer  chan struct{} // nil: it answers at once; else when this is closed
	asked   chan struct{} // nil: of no interest; gets one for each question
	says    string        // "": accept
	runs    atomic.Int32
	stopped atomic.Bool
}

func (w *worker) AfterSignature() {}

func (w *worker) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	if w.asked != nil {
		w.asked <- struct{}{}
	}
	if w.answer != nil {
		<-w.answer
	}
	if w.stopped.Load() {
		return policy.Refuse(reason.Error, "asked after its end")
	}
	if w.says != "" {
		return policy.Refuse(reason.Blocked, w.says)
	}
	return policy.Verdict{}
}

func (w *worker) Run(ctx context.Context) error {
	w.runs.Add(1)
	<-ctx.Done()
	w.stopped.Store(true)
	return nil
}

func (w *worker) Loaded() <-chan struct{} {
	if w.load == nil {
		w.load = make(chan struct{})
		close(w.load)
	}
	return w.load
}

func chainOf(policies ...policy.Policy) *policy.Chain {
	var links []policy.Named
	for i, p := range policies {
		links = append(links, policy.Named{Name: string(rune('a' + i)), Policy: p})
	}
	return policy.NewChain(nil, links...)
}

func TestReloadWaitsForWhatANewChainMustLoad(t *testing.T) {
	old, slow := &worker{says: "the old chain"}, &worker{says: "the new chain", load: make(chan struct{})}
	r := relaytest.Start(t, relaytest.Options{Chain: chainOf(old)})
	c := r.Dial(t)
	done := make(chan error, 1)
	go func() { done <- r.Server.Reload(relaytest.Config(), chainOf(slow)) }()
	relaytest.Eventually(t, "the new policy works", func() bool { return slow.runs.Load() == 1 })
	c.Refused(t, alice.Note(t, "meanwhile"), "blocked: the old chain")
	close(slow.load)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	c.Refused(t, alice.Note(t, "then"), "blocked: the new chain")
	relaytest.Eventually(t, "the old policy has ended", old.stopped.Load)
}

func TestReloadAnswersWhatTheOldChainWasAsked(t *testing.T) {
	old := &worker{answer: make(chan struct{}), asked: make(chan struct{}, 1)}
	r := relaytest.Start(t, relaytest.Options{Chain: chainOf(old)})
	c, other := r.Dial(t), r.Dial(t)
	asked := alice.Note(t, "asked before the reload")
	c.Publish(t, asked)
	<-old.asked
	done := make(chan error, 1)
	cfg := relaytest.Config()
	cfg.Info.Name = "new"
	go func() { done <- r.Server.Reload(cfg, chainOf(&worker{says: "the new chain"})) }()
	// A client that comes now has the new chain, though the old one has a question open.
	relaytest.Eventually(t, "the new name", func() bool { return document(t, r)["name"] == "new" })
	other.Refused(t, alice.Note(t, "asked after it"), "blocked: the new chain")
	select {
	case <-done:
		t.Error("Reload has returned while a question was open")
	default:
	}
	if old.stopped.Load() {
		t.Error("the old chain was ended while a question was open")
	}
	close(old.answer)
	if ok := c.HearOK(t, asked.ID.String()); !ok.OK {
		t.Errorf("answered %s", ok.Text)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	relaytest.Eventually(t, "the old policy has ended", old.stopped.Load)
}

func TestReloadLeavesWhatBothChainsHave(t *testing.T) {
	stays, goes, comes := &worker{}, &worker{}, &worker{}
	r := relaytest.Start(t, relaytest.Options{Chain: chainOf(goes, stays)})
	c := r.Dial(t)
	c.Accepted(t, alice.Note(t, "one"))
	if err := r.Server.Reload(relaytest.Config(), chainOf(stays, comes)); err != nil {
		t.Fatal(err)
	}
	c.Accepted(t, alice.Note(t, "two"))
	relaytest.Eventually(t, "the dropped policy has ended", goes.stopped.Load)
	relaytest.Eventually(t, "the new policy works", func() bool { return comes.runs.Load() == 1 })
	if stays.runs.Load() != 1 || stays.stopped.Load() {
		t.Errorf("what both chains have ran %d times, stopped %v", stays.runs.Load(), stays.stopped.Load())
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	if !stays.stopped.Load() || !comes.stopped.Load() {
		t.Error("policies work on after the relay's end")
	}
}
