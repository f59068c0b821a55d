package main

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/cmd/moa/internal/config"
	"moa/nips/event"
	"moa/store"
	"moa/store/storetest"
)

// A store that is not synced is damaged by a crash of the machine as a rule: it is
// repaired without asking, and that is logged. One that is synced is not touched.
func TestUnsyncedStoreIsRepairedByItself(t *testing.T) {
	cfg := config.Default()
	cfg.Data = t.TempDir()
	log := new(strings.Builder)
	logger := slog.New(slog.NewTextHandler(log, nil))
	st, err := openStore(&cfg, logger, nil)
	if err != nil {
		t.Fatal(err)
	}
	e := storetest.Make(storetest.Key(1), 1, 1, "")
	for n := range 2 { // the operator removes it, and it comes again
		if r, err := st.Commit(t.Context(), 0, []*event.Event{e}); err != nil || r[0].Outcome != store.Stored {
			t.Fatal(r, err)
		}
		if n == 0 {
			if _, err := st.Remove(t.Context(), []event.ID{e.ID}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := errors.Join(st.Close(), os.Remove(filepath.Join(cfg.Data, "MANIFEST"))); err != nil {
		t.Fatal(err)
	}
	if _, err := openStore(&cfg, logger, nil); !errors.Is(err, store.ErrDamaged) {
		t.Fatalf("error %v, want ErrDamaged", err)
	}
	cfg.Store.Sync = false
	if st, err = openStore(&cfg, logger, nil); err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if n := st.Stats().Events; n != 1 || !strings.Contains(log.String(), "the store is repaired") {
		t.Fatalf("%d events, log %s", n, log)
	}
	if r, err := st.Check(t.Context(), true); err != nil || len(r.Problems) > 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err := st.Commit(t.Context(), 0, []*event.Event{e}); err != nil || r[0].Outcome != store.Duplicate {
		t.Fatalf("it is stored twice: %v, %v", r, err)
	}
}
