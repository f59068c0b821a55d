package khatru

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

func TestAFullBacklogHoldsUpPublishersOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		next := make(chan struct{})
		var ran []int
		b := &backlog{maxWait: 5 * time.Second}
		b.run = func(s saved) { <-next; ran = append(ran, int(s.e.Kind)) }
		if !b.hasRoom() {
			t.Fatal("no room in an empty one")
		}
		for i := range maxBacklog {
			b.add(saved{e: &event.Event{Kind: uint16(i)}})
		}
		begun := time.Now()
		if b.hasRoom() || time.Since(begun) != 5*time.Second {
			t.Fatalf("refused after %v", time.Since(begun))
		}
		begun = time.Now()
		if b.hasRoom() || time.Since(begun) != 0 {
			t.Fatal("the next one has waited too")
		}
		b.add(saved{e: &event.Event{Kind: maxBacklog}}) // never waits, and is not lost

		for range maxBacklog/2 + 1 {
			next <- struct{}{}
		}
		synctest.Wait()
		if !b.hasRoom() {
			t.Fatal("no room in one that is half empty")
		}
		close(next)
		if err := b.close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if len(ran) != maxBacklog+1 || !slices.IsSorted(ran) {
			t.Fatalf("%d hooks ran, in order: %v", len(ran), slices.IsSorted(ran))
		}
	})
}

func TestWhoWaitsForRoomGoesOnWhenThereIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &backlog{maxWait: 5 * time.Second, run: func(saved) { time.Sleep(time.Millisecond) }}
		for range 20 { // by bytes
			b.add(saved{e: &event.Event{Raw: make([]byte, maxBacklogBytes/16)}})
		}
		begun := time.Now()
		if !b.hasRoom() || time.Since(begun) != 12*time.Millisecond { // 8 of them are half
			t.Fatalf("after %v", time.Since(begun))
		}
		if err := b.close(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestCloseDoesNotWaitForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stop := make(chan struct{})
		n := 0
		b := &backlog{run: func(saved) { n++; <-stop }}
		for range 3 {
			b.add(saved{e: &event.Event{}})
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := b.close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		close(stop)
		synctest.Wait()
		b.add(saved{e: &event.Event{}})
		if n != 1 || b.close(t.Context()) != nil {
			t.Fatalf("%d hooks ran", n)
		}
	})
}

func TestAnEVENTIsRefusedWhileHooksAreStuck(t *testing.T) {
	stop := make(chan struct{})
	d := open(t, func(rl *khatru.Relay) {
		rl.OnEventSaved = append(rl.OnEventSaved, func(context.Context, *nostr.Event) { <-stop })
	})
	d.backlog.maxWait = time.Millisecond
	c := &fakeClient{id: 1, ip: "127.0.0.1"}
	e := &event.Event{Kind: 1}
	for range maxBacklog {
		d.Saved(c, e)
	}
	if v := d.Event(t.Context(), c, e); v.Action != policy.Reject || v.Reason != reason.Error {
		t.Fatal(v)
	}
	if v := d.Event(t.Context(), c, &event.Event{Kind: 20001}); v.Action != policy.Accept {
		t.Fatal("an ephemeral event, of which no hook is told: ", v)
	}
	close(stop)
	if err := d.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
}

func TestTheGateLetsHooksPassAWaitingChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g gate
		changed := false
		g.enter()
		go g.change(func() { changed = true })
		synctest.Wait()
		g.enter() // would wait in a sync.RWMutex
		g.leave()
		if changed {
			t.Fatal("changed while a hook runs")
		}
		g.leave()
		synctest.Wait()
		if !changed {
			t.Fatal("not changed")
		}
	})
}
