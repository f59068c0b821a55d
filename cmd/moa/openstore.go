package main

import (
	"errors"
	"fmt"
	"log/slog"
	"os"

	"github.com/prometheus/client_golang/prometheus"

	"moa/store"
	"moa/store/badgerstore"
)

// openStore opens the store of a configuration. Both log and metrics may be nil.
func openStore(c *Config, log *slog.Logger, metrics *prometheus.Registry) (store.Store, error) {
	if err := os.MkdirAll(c.Data, 0o750); err != nil {
		return nil, err
	}
	options := badgerstore.Options{
		Dir:       c.Data,
		CacheMB:   c.Store.CacheMiB,
		HotMB:     orNone(c.Store.HotMiB),
		ReserveMB: orNone(c.Store.ReserveMiB),
		NoSync:    !c.Store.Sync,
		Log:       log,
	}
	if metrics != nil { // it is the relay's: verbs end soon
		options.Registry, options.ScrubMB = metrics, c.Store.ScrubMiB
	}
	st, err := badgerstore.Open(options)
	if errors.Is(err, badgerstore.ErrLocked) {
		return nil, lockedError(c.Data, err)
	}
	if err != nil {
		return nil, err
	}
	return st, nil
}

// orNone is how badgerstore.Options says none, for which the file has 0.
func orNone(mib int) int {
	if mib == 0 {
		return -1
	}
	return mib
}

// lockedError says who has the store, and what can be done without stopping it.
func lockedError(dir string, err error) error {
	url := announced(dir)
	if url == "" {
		url = "ws://HOST:PORT"
	}
	return fmt.Errorf("%w; stop it, or import and export through its socket with --relay %s", err, url)
}
