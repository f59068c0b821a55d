package transfer

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"

	"moa/cmd/moa/internal/terminal"
)

// maxFaults is how many malformed lines an import quotes.
const maxFaults = 10

// maxLines is how many lines are named of each reason.
const maxLines = 5

// Tally counts what became of the lines of an import.
type Tally struct {
	Accepted  int64              `json:"accepted"`
	Ahead     int64              `json:"ahead"` // of those, dated so far ahead that the relay would refuse them
	Duplicate int64              `json:"duplicate"`
	Rejected  map[string]int64   `json:"rejected"` // by reason, from a small set
	Lines     map[string][]int64 `json:"lines"`    // the first of each reason
	Faults    []Fault            `json:"faults"`   // the first malformed lines

	rejects []reject // since they were written
}

// Fault is a line that is no event.
type Fault struct {
	Line int64  `json:"line"`
	Text string `json:"text"`
}

// reject counts a line that is not taken. why may say more than the reason.
func (t *Tally) reject(reason, why string, line int64, text []byte) {
	t.rejectN(reason, 1)
	t.named(reason, line)
	t.rejects = append(t.rejects, reject{line, cmp.Or(why, reason), text})
}

func (t *Tally) rejectN(reason string, n int64) {
	if t.Rejected == nil {
		t.Rejected = make(map[string]int64)
	}
	t.Rejected[reason] += n
}

// named keeps the first few lines of a reason; 0 is none.
func (t *Tally) named(reason string, lines ...int64) {
	if t.Lines == nil {
		t.Lines = make(map[string][]int64)
	}
	for _, line := range lines {
		if line > 0 && len(t.Lines[reason]) < maxLines {
			t.Lines[reason] = append(t.Lines[reason], line)
		}
	}
}

// malformed counts a line that is no event and keeps the first few.
func (t *Tally) malformed(line int64, text []byte, err error) {
	t.reject("malformed", "malformed: "+err.Error(), line, text)
	if len(t.Faults) < maxFaults {
		t.Faults = append(t.Faults, Fault{line, err.Error()})
	}
}

// add counts what o has counted.
func (t *Tally) add(o *Tally) {
	t.Accepted += o.Accepted
	t.Ahead += o.Ahead
	t.Duplicate += o.Duplicate
	for reason, n := range o.Rejected {
		t.rejectN(reason, n)
		t.named(reason, o.Lines[reason]...)
	}
	t.Faults = append(t.Faults, o.Faults[:min(len(o.Faults), maxFaults-len(t.Faults))]...)
}

// Total is how many lines were dealt with, blank ones aside.
func (t *Tally) Total() int64 {
	n := t.Accepted + t.Duplicate
	for _, r := range t.Rejected {
		n += r
	}
	return n
}

// Print writes the report that ends an import.
func (t *Tally) Print(w io.Writer) {
	w = terminal.Writer{Writer: w} // reasons and faults may have words of others in them
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
		fmt.Fprintf(w, "%10d rejected: %s%s\n", t.Rejected[reason], reason, t.where(reason))
	}
}

// where names the lines that were rejected for a reason.
func (t *Tally) where(reason string) string {
	lines := t.Lines[reason]
	if len(lines) == 0 {
		return ""
	}
	text := fmt.Sprint(" (line ", lines[0])
	for _, n := range lines[1:] {
		text += fmt.Sprint(", ", n)
	}
	if int64(len(lines)) < t.Rejected[reason] {
		text += ", …"
	}
	return text + ")"
}
