package transfer

import (
	"moa/nips/event"
	"moa/nips/sig"
)

// Batch are events and the lines that they are from.
type Batch struct {
	Events []*event.Event
	Lines  []int64 // 0: from none
}

func (l *Batch) add(e *event.Event, line int64) {
	l.Events, l.Lines = append(l.Events, e), append(l.Lines, line)
}

// BatchOf are events that are from no lines.
func BatchOf(events []*event.Event) Batch { return Batch{events, make([]int64, len(events))} }

// numbered is a line of the input.
type numbered struct {
	text   []byte
	number int64
}

// chunk is a piece of the input on its way.
type chunk struct {
	read []numbered
	err  error // that ended the input behind this chunk; io.EOF: its end

	// Set by check, before done is closed.
	Batch
	tally Tally
	bytes int
	done  chan struct{}

	// Where the input stood behind this chunk.
	line, at int64
}

// verify drops the events whose signature does not hold.
func (c *chunk) verify(v sig.Verifier) {
	records := make([]sig.Record, len(c.Events))
	for i, e := range c.Events {
		records[i] = sig.Record{PubKey: e.PubKey, Msg: e.ID, Sig: e.Sig}
	}
	verdicts := make([]bool, len(records))
	v.Verify(records, verdicts)
	c.keep(func(i int, _ *event.Event) string {
		if verdicts[i] {
			return ""
		}
		return "bad signature"
	})
}

// Verified are the events whose signature holds, in the memory of the list, and a tally
// of the others.
func Verified(v sig.Verifier, events []*event.Event) ([]*event.Event, Tally) {
	c := &chunk{Batch: BatchOf(events)}
	c.verify(v)
	return c.Events, c.tally
}

// keep drops the events for which there is a reason.
func (c *chunk) keep(reason func(i int, e *event.Event) string) {
	all := c.Batch
	c.Batch = Batch{all.Events[:0], all.Lines[:0]}
	for i, e := range all.Events {
		if r := reason(i, e); r != "" {
			c.tally.reject(r, "", all.Lines[i], e.Raw)
			continue
		}
		c.add(e, all.Lines[i])
	}
}
