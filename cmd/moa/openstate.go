package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"moa/store/state"
)

// recordFile is where decisions were before there was a database of them.
const recordFile = "moderation.jsonl"

// openState opens what operators have decided, and makes it if there is none. The caller
// has the data folder's lock.
func openState(ctx context.Context, dir string, log *slog.Logger, metrics *prometheus.Registry) (*state.Store, error) {
	changes := prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "moa_state_changes_total", Help: "Changes that operators and people have made, by what they did and through which door.",
	}, []string{"verb", "door"})
	failures := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "moa_state_errors_total", Help: "Changes that could not be made because of the database of what is decided.",
	})
	metrics.MustRegister(changes, failures)
	st, err := state.Open(ctx, state.Options{Path: filepath.Join(dir, state.File), Told: func(by state.Actor, verb string, err error) {
		switch {
		case err == nil:
			changes.WithLabelValues(verb, by.Door).Inc()
		case !errors.Is(err, state.ErrRequest) && !errors.Is(err, context.Canceled):
			failures.Inc()
		}
	}})
	if err != nil {
		return nil, err
	}
	if err := takeOver(ctx, dir, st, log); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

// takeOver moves the decisions of the record into the database, once. A crash in between
// leaves the record, which is taken again; what is known already stands.
func takeOver(ctx context.Context, dir string, st *state.Store, log *slog.Logger) error {
	record := filepath.Join(dir, recordFile)
	taken, broken, err := readRecord(ctx, record, st)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("take over %s: %w", record, err)
	}
	if err := os.Rename(record, record+".migrated"); err != nil {
		return fmt.Errorf("take over %s: %w", record, err)
	}
	log.Info("decisions were moved to the database", "from", record, "to", filepath.Join(dir, state.File), "lines", taken)
	if broken > 0 {
		log.Warn("the record of moderation has lines that are no decisions", "file", record+".migrated", "lines", broken)
	}
	return nil
}

func readRecord(ctx context.Context, record string, st *state.Store) (taken, broken int, err error) {
	f, err := os.Open(record)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	return st.TakeOver(ctx, f)
}

// readState opens what operators have decided to read it, also beside a relay that runs.
// In the data folder it makes and changes nothing. nil: nothing is decided. The caller
// calls end.
func readState(ctx context.Context, dir string) (st *state.Store, end func() error, err error) {
	end = func() error { return nil }
	st, err = state.OpenReading(ctx, filepath.Join(dir, state.File))
	if err == nil {
		return st, st.Close, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, end, err
	}
	// The relay may not have started since the record was written.
	if _, err := os.Stat(filepath.Join(dir, recordFile)); err != nil {
		return nil, end, nil
	}
	scratch, err := os.MkdirTemp("", "moa-state-")
	if err != nil {
		return nil, end, err
	}
	end = func() error { return os.RemoveAll(scratch) }
	if st, err = state.Open(ctx, state.Options{Path: filepath.Join(scratch, state.File)}); err == nil {
		end = func() error { return errors.Join(st.Close(), os.RemoveAll(scratch)) }
		_, _, err = readRecord(ctx, filepath.Join(dir, recordFile), st)
	}
	if err != nil {
		return nil, func() error { return nil }, errors.Join(err, end())
	}
	return st, end, nil
}
