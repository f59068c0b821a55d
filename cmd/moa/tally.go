package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
)

// maxFaults is how many malformed lines an import quotes.
const maxFaults = 10

// tally counts what became of the lines of an import.
type tally struct {
	Accepted  int64            `json:"accepted"`
	Ahead     int64            `json:"ahead"` // of those, dated so far ahead that the relay would refuse them
	Duplicate int64            `json:"duplicate"`
	Rejected  map[string]int64 `json:"rejected"` // by reason, from a small set
	Faults    []fault          `json:"faults"`   // the first malformed lines
}

// fault is a line that is no event.
type fault struct {
	Line int64  `json:"line"`
	Text string `json:"text"`
}

func (t *tally) reject(reason string) {
	if t.Rejected == nil {
		t.Rejected = make(map[string]int64)
	}
	t.Rejected[reason]++
}

// malformed counts a line that is no event and keeps the first few.
func (t *tally) malformed(line int64, err error) {
	t.reject("malformed")
	if len(t.Faults) < maxFaults {
		t.Faults = append(t.Faults, fault{line, err.Error()})
	}
}

// add counts what o has counted.
func (t *tally) add(o *tally) {
	t.Accepted += o.Accepted
	t.Ahead += o.Ahead
	t.Duplicate += o.Duplicate
	for reason, n := range o.Rejected {
		if t.Rejected == nil {
			t.Rejected = make(map[string]int64)
		}
		t.Rejected[reason] += n
	}
	t.Faults = append(t.Faults, o.Faults[:min(len(o.Faults), maxFaults-len(t.Faults))]...)
}

// total is how many lines were dealt with, blank ones aside.
func (t *tally) total() int64 {
	n := t.Accepted + t.Duplicate
	for _, r := range t.Rejected {
		n += r
	}
	return n
}

// print writes the report that ends an import.
func (t *tally) print(w io.Writer) {
	w = shownWriter{w} // reasons and faults may have words of others in them
	for _, f := range t.Faults {
		fmt.Fprintf(w, "line %d: %s\n", f.Line, f.Text)
	}
	if n := t.Rejected["malformed"] - int64(len(t.Faults)); n > 0 {
		fmt.Fprintf(w, "... and %d more malformed lines\n", n)
	}
	fmt.Fprintf(w, "%10d accepted\n", t.Accepted)
	if t.Ahead > 0 {
		fmt.Fprintf(w, "%10d of them from the future: clients show them on top until then\n", t.Ahead)
	}
	fmt.Fprintf(w, "%10d duplicate\n", t.Duplicate)
	for _, reason := range slices.Sorted(maps.Keys(t.Rejected)) {
		fmt.Fprintf(w, "%10d rejected: %s\n", t.Rejected[reason], reason)
	}
}
