package main

import (
	"github.com/prometheus/client_golang/prometheus"
	"log/slog"
	"moa/store"
	"moa/store/memstore"
)

type storeEnv struct {
	log     *slog.Logger
	metrics *prometheus.Registry
}

func openStore(c *Config, env storeEnv) (store.Store, error) { return memstore.New(), nil }
