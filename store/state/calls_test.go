package state_test

import (
	"errors"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

func TestACallIsUsedOnce(t *testing.T) {
	s, path := fresh(t)
	now := time.Now().Unix()
	one, other := event.ID{1}, event.ID{2}
	for _, id := range []event.ID{one, other} {
		if err := s.UseOnce(t.Context(), id, now); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, path)
	if err := s.UseOnce(t.Context(), one, now); !errors.Is(err, state.ErrUsed) {
		t.Errorf("after a restart: %v", err)
	}
	// What its time alone refuses is forgotten.
	if err := s.UseOnce(t.Context(), event.ID{3}, now-3600); err != nil {
		t.Fatal(err)
	}
	if err := s.UseOnce(t.Context(), event.ID{3}, now-3600); err != nil {
		t.Errorf("what is too old to be used is remembered: %v", err)
	}
}
