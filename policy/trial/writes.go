package trial

import (
	"cmp"
	"context"
	"slices"

	"moa/nips/event"
	"moa/policy"
)

// Writes are what policies did with many events.
type Writes struct {
	Source   string           `json:"source"`
	Broken   map[string]int64 `json:"broken"` // lines that are no events, or are forged, by what is wrong
	Events   int              `json:"events"`
	Fates    map[string]int   `json:"fates"` // by the words in actions, and "unasked"
	Policies []*PolicyWrites  `json:"policies"`

	most   int // examples of each verdict
	asking *event.Event
	byName map[string]*PolicyWrites
}

// PolicyWrites are what one policy said of them.
type PolicyWrites struct {
	Name     string           `json:"name"`
	Mode     string           `json:"mode"`
	Verdicts []*VerdictWrites `json:"verdicts"`
}

// VerdictWrites are the events that a policy gave one verdict.
type VerdictWrites struct {
	Action   string         `json:"action"`
	Reason   string         `json:"reason,omitempty"`
	Events   int            `json:"events"`
	Share    float64        `json:"share"` // of all events
	Examples []WriteExample `json:"examples"`
}

// WriteExample is one of them.
type WriteExample struct {
	ID   string `json:"id"`
	Kind uint16 `json:"kind"`
	Text string `json:"text"`
}

// Unasked is the fate of requests to vanish, which no policy can refuse.
const Unasked = "unasked"

// NewWrites returns what nothing is known of yet; of each verdict it will have so many
// examples.
func NewWrites(examples int) *Writes { return &Writes{most: examples} }

func (w *Writes) begin(c *policy.Chain) {
	w.Fates, w.byName = map[string]int{}, map[string]*PolicyWrites{}
	for _, n := range c.Links() {
		p := &PolicyWrites{Name: n.Name, Mode: n.Mode.String(), Verdicts: []*VerdictWrites{}}
		w.Policies, w.byName[n.Name] = append(w.Policies, p), p
	}
}

// Ask asks about all events, in their order.
func (w *Writes) Ask(ctx context.Context, t *Trial, events []*event.Event) error {
	w.begin(t.Chain)
	w.Events = len(events)
	for _, e := range events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.Kind == event.KindVanish {
			w.Fates[Unasked]++
			continue
		}
		w.asking = e
		c := t.writer(e)
		d := t.Chain.Early(ctx, c, e)
		if d.Action != policy.Reject && d.Action != policy.Shadow {
			d = t.Chain.Late(ctx, c, e, d)
		}
		w.Fates[d.Action.String()]++
		if d.Action == policy.Accept || d.Action == policy.RelayOnly {
			t.Chain.Saved(c, e)
		}
	}
	for _, p := range w.Policies {
		for _, v := range p.Verdicts { // of some event, so there is one
			v.Share = float64(v.Events) / float64(len(events))
		}
		slices.SortStableFunc(p.Verdicts, func(a, b *VerdictWrites) int { return cmp.Compare(b.Events, a.Events) })
	}
	return nil
}

// Report is the policy.Report of the chain: it is called while Ask asks.
func (w *Writes) Report(n *policy.Named, at policy.Stage, v policy.Verdict) {
	if at != policy.AtEvent {
		return
	}
	p := w.byName[n.Name]
	i := slices.IndexFunc(p.Verdicts, func(t *VerdictWrites) bool {
		return t.Action == v.Action.String() && t.Reason == string(v.Reason)
	})
	if i < 0 {
		i = len(p.Verdicts)
		p.Verdicts = append(p.Verdicts, &VerdictWrites{Action: v.Action.String(), Reason: string(v.Reason), Examples: []WriteExample{}})
	}
	t := p.Verdicts[i]
	t.Events++
	// What says the same of the same kind shows nothing new.
	if len(t.Examples) < w.most && !slices.ContainsFunc(t.Examples, func(x WriteExample) bool {
		return x.Kind == w.asking.Kind && x.Text == v.Text
	}) {
		t.Examples = append(t.Examples, WriteExample{w.asking.ID.String(), w.asking.Kind, v.Text})
	}
}
