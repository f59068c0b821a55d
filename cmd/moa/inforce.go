package main

import (
	"sync"

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
