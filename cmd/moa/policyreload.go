package main

import (
	"sync"

	"moa/cmd/moa/internal/config"
	"moa/policy"
)

// inForce are the policies that the relay has now. The zero inForce has none.
type inForce struct {
	mu     sync.Mutex // guards the following
	chain  *policy.Chain
	tables []map[string]any // of the file, of which chain was built
}

func (f *inForce) get() (*policy.Chain, []map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.chain, f.tables
}

func (f *inForce) set(chain *policy.Chain, tables []map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.chain, f.tables = chain, tables
}

// reload reads the configuration again. One with a fault changes nothing. What
// a policy has read and counted goes on if its table is as it was.
func (in *instance) reload() {
	cfg, faults, err := in.source.Read()
	if err == nil {
		old, were := in.force.get()
		chain, more := in.source.Chain(&cfg, in.env, in.report, old, were)
		if err = config.Err(append(faults, more...)); err == nil {
			err = in.server.Reload(relayConfig(&cfg), chain)
		}
		if err == nil {
			in.force.set(chain, cfg.Policy)
		}
	}
	if err != nil {
		in.log.Error("configuration not reloaded, the old one stays in force", "file", in.source.File, "err", err)
		return
	}
	in.level.Set(logLevel(cfg.Log.Level))
	if keys := in.cfg.NeedRestart(&cfg); len(keys) > 0 {
		in.log.Warn("some changes wait for a restart", "file", in.source.File, "keys", keys)
	}
}
