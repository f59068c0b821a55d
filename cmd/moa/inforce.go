package main

import (
	"maps"
	"sync"

	"moa/policy"
)

// inForce are the policies that the relay has now. The zero inForce has none.
type inForce struct {
	mu     sync.Mutex // guards the following
	chain  *policy.Chain
	tables []map[string]any  // of the file, of which chain was built
	past   map[series]uint64 // what was counted by chains and policies that are gone
}

func (f *inForce) get() (*policy.Chain, []map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.chain, f.tables
}

func (f *inForce) set(chain *policy.Chain, tables []map[string]any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.past == nil {
		f.past = map[series]uint64{}
	}
	eachCount(f.chain, func(by policy.Policy, s series, n uint64) {
		if !goesOn(by, chain) {
			f.past[s] += n
		}
	})
	f.chain, f.tables = chain, tables
}

// counts are what policies have counted since the start, over all reloads.
func (f *inForce) counts() map[series]uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := maps.Clone(f.past)
	eachCount(f.chain, func(_ policy.Policy, s series, n uint64) { all[s] += n })
	return all
}
