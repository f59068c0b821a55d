package relay

import (
	"testing"

	"moa/relay/outbox"
	"moa/store/memstore"
)

// A panic within what sessions share is no session's own.
func TestWhoseAPanicIs(t *testing.T) {
	where := func(f func()) (shared bool) {
		defer func() {
			if recover() == nil {
				t.Error("no panic")
			}
			shared = amongOthers()
		}()
		f()
		return false
	}
	for what, c := range map[string]struct {
		f      func()
		shared bool
	}{
		"a message":   {func() { (&session{}).message(nil) }, false},
		"a filter":    {func() { values(nil) }, false},
		"a commit":    {func() { new(ingest).lead(nil, true) }, true},
		"the fan-out": {func() { new(fanout).lead() }, true},
		"an outbox":   {func() { (*outbox.Outbox)(nil).Load() }, true},
		"the index":   {func() { new(Server).index.Deliver(0, nil, nil) }, true},
		"the store":   {func() { (*memstore.Store)(nil).Stats() }, true},
	} {
		if got := where(c.f); got != c.shared {
			t.Errorf("%s: shared %v", what, got)
		}
	}
}
