package bench

import (
	"context"
	"fmt"

	"moa/bench/corpus"
)

// Contestant is a relay in a comparison.
type Contestant struct {
	Name string
	// Start makes the relay ready, empty if it can; close ends it.
	Start func(ctx context.Context) (t Target, close func() error, err error)
}

// Comparison runs the same workloads against several relays in turns: in every
// round each relay is started anew, does all workloads, and is ended, so that
// what disturbs the machine disturbs all alike.
type Comparison struct {
	Contestants []Contestant
	Workloads   []Workload
	Rounds      int // 0: 1
	// Corpus makes the corpus of a round; all relays of a round get the same.
	Corpus  func(round int) (*corpus.Corpus, error)
	Options Options // Target and Corpus are filled in
}

// Run adds the results to the report. It returns early, without an error, when
// ctx ends. A relay that cannot do a workload is noted and left out of it.
func (c Comparison) Run(ctx context.Context, r *Report) error {
	results := make([][]Result, len(c.Contestants))
	defer func() {
		for w := range c.Workloads {
			for _, of := range results {
				if w < len(of) && len(of[w].Runs) > 0 {
					r.Add(of[w])
				}
			}
		}
	}()
	for round := range max(1, c.Rounds) {
		made, err := c.Corpus(round)
		if err != nil {
			return err
		}
		for i := range c.Contestants {
			// Another one begins each round.
			n := (i + round) % len(c.Contestants)
			if err := c.turn(ctx, c.Contestants[n], made, &results[n], r); err != nil {
				return fmt.Errorf("%s: %w", c.Contestants[n].Name, err)
			}
			if ctx.Err() != nil {
				r.Partial = true
				return nil
			}
		}
	}
	return nil
}

// turn lets one relay do all workloads once.
func (c Comparison) turn(ctx context.Context, one Contestant, made *corpus.Corpus, results *[]Result, r *Report) error {
	target, end, err := one.Start(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	defer func() { _ = end() }() // of a relay whose figures are taken
	target.Name = one.Name
	o := c.Options
	o.Target, o.Corpus = target, made
	s, err := Open(ctx, o)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if *results == nil {
		*results = make([]Result, len(c.Workloads))
	}
	for w, workload := range c.Workloads {
		result, err := s.Do(ctx, workload, 1)
		if ctx.Err() == nil && err != nil {
			r.Warnings = append(r.Warnings, one.Name+": "+err.Error())
			continue
		}
		result.Runs = append((*results)[w].Runs, result.Runs...)
		(*results)[w] = result
		if ctx.Err() != nil {
			return nil
		}
	}
	return nil
}
