package trial

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/nips/wire"
	"moa/policy"
)

// Question is a filter that somebody has asked.
type Question struct {
	Filter *event.Filter
	Count  bool // by COUNT, which heeds no limit
}

// ParseQuestions reads a filter, a list of filters, or a message of a client, which has no
// question if it reads nothing.
func ParseQuestions(text []byte) (all []Question, err error) {
	filters := []json.RawMessage{text}
	if bytes.HasPrefix(text, []byte("[")) {
		if m, err := wire.Parse(text); err == nil {
			for _, f := range m.Filters {
				all = append(all, Question{f, m.Verb == wire.Count})
			}
			return all, nil
		}
		if err := json.Unmarshal(text, &filters); err != nil {
			return nil, err
		}
	}
	for _, raw := range filters {
		f, err := event.ParseFilter(raw)
		if err != nil {
			return nil, err
		}
		all = append(all, Question{Filter: f})
	}
	return all, nil
}

// Reads are what policies did with many filters, and with the events that
// those find which are answered.
type Reads struct {
	Source   string         `json:"source"`  // of the filters
	Broken   int            `json:"broken"`  // lines that are neither filters nor messages
	Filters  int            `json:"filters"` // asked about
	Refused  int            `json:"refused"` // of those
	Events   string         `json:"events"`  // where the events are from that were looked for; "": there were none
	Shown    int            `json:"shown"`   // events, each as often as a filter finds it
	Hidden   int            `json:"hidden"`
	Policies []*PolicyReads `json:"policies"`

	most   int // examples of each verdict
	byName map[string]*PolicyReads
	asking string // the filter, or the event, that is asked about
}

// PolicyReads are what one policy said of them.
type PolicyReads struct {
	Name    string        `json:"name"`
	Mode    string        `json:"mode"`
	Filters *ReadRefusals `json:"filters"` // those that it refuses; null: none
	Events  *ReadRefusals `json:"events"`  // those that it hides
}

// ReadRefusals are the filters, or the events, that a policy refuses.
type ReadRefusals struct {
	Times    int           `json:"times"`
	Examples []ReadExample `json:"examples"`
}

// ReadExample is one of them.
type ReadExample struct {
	What string `json:"what"` // the filter as JSON, or the event's kind and id
	Text string `json:"text"` // what the client is told
}

// NewReads returns what nothing is known of yet; of each verdict it will have so many
// examples.
func NewReads(examples int) *Reads { return &Reads{most: examples} }

func (r *Reads) begin(c *policy.Chain) {
	r.byName = map[string]*PolicyReads{}
	for _, n := range c.Links() {
		p := &PolicyReads{Name: n.Name, Mode: n.Mode.String()}
		r.Policies, r.byName[n.Name] = append(r.Policies, p), p
	}
}

// Report is the policy.Report of the chain: it is called while Ask asks.
func (r *Reads) Report(n *policy.Named, at policy.Stage, v policy.Verdict) {
	p := r.byName[n.Name]
	list := &p.Filters
	switch at {
	case policy.AtFilter:
	case policy.AtDelivery:
		list = &p.Events
	default:
		return
	}
	if *list == nil {
		*list = &ReadRefusals{Examples: []ReadExample{}}
	}
	(*list).Times++
	x := ReadExample{What: r.asking}
	if v.Reason != "" {
		x.Text = string(v.Reason) + ": " + v.Text
	}
	if len((*list).Examples) < r.most && !slices.Contains((*list).Examples, x) {
		(*list).Examples = append((*list).Examples, x)
	}
}

// Ask asks about every question, and of those that are answered about every
// event that they find.
func (r *Reads) Ask(ctx context.Context, t *Trial, questions []Question) error {
	r.begin(t.Chain)
	c := t.reader()
	for _, q := range questions {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.Filters++
		r.asking = string(q.Filter.Append(nil))
		f, d := t.Chain.Rewrite(ctx, c, q.Filter)
		if d.Action == policy.Accept {
			d = t.Chain.Filter(ctx, c, f)
		}
		if d.Action == policy.Accept && q.Count {
			d = t.Chain.Count(ctx, c, f)
		}
		if d.Action != policy.Accept {
			r.Refused++
			continue
		}
		if err := r.find(ctx, t, c, Question{f, q.Count}); err != nil {
			return err
		}
	}
	return nil
}

// find asks about the events that answer a question.
func (r *Reads) find(ctx context.Context, t *Trial, c policy.Client, q Question) error {
	if t.Store == nil {
		return nil
	}
	shown, err := t.Store.Find(ctx, q, func(e *event.Event) bool {
		r.asking = fmt.Sprintf("kind %d %s", e.Kind, e.ID)
		shown := t.Chain.Deliver(c, e)
		if !shown {
			r.Hidden++
		}
		return shown
	})
	r.Shown += shown
	return err
}
