package trial

import (
	"context"
	"fmt"
	"time"

	"moa/nips/event"
	"moa/policy"
)

// Explanation is what all policies said of an event.
type Explanation struct {
	ID        string            `json:"id"`
	Kind      uint16            `json:"kind"`
	CreatedAt string            `json:"created_at"`
	Signed    bool              `json:"signed"` // its signature holds
	Policies  []ExplainedPolicy `json:"policies"`
	Decision  string            `json:"decision"` // an action
	By        string            `json:"by"`       // the policy that decides, "" if all accept
	Answer    string            `json:"answer"`   // what the client is told besides OK
}

// ExplainedPolicy is what one policy said.
type ExplainedPolicy struct {
	Name   string `json:"name"`
	Mode   string `json:"mode"`
	Asked  bool   `json:"asked"`
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
	Text   string `json:"text,omitempty"`
}

func answers(all []policy.Answer) []ExplainedPolicy {
	list := []ExplainedPolicy{}
	for _, a := range all {
		list = append(list, ExplainedPolicy{
			a.Link.Name, a.Link.Mode.String(), a.Asked, a.Action.String(), string(a.Reason), a.Text,
		})
	}
	return list
}

func (x *Explanation) take(all []policy.Answer, so policy.Decision) {
	x.Policies = answers(all)
	x.Decision, x.By = so.Action.String(), so.By
	if so.Action == policy.Reject {
		x.Answer = string(so.Reason) + ": " + so.Text
	}
}

// ReadExplanation is what all policies that have a say said to a reader.
type ReadExplanation struct {
	What     string            `json:"what"`
	Policies []ExplainedPolicy `json:"policies"`
	Decision string            `json:"decision"` // accept or reject
	By       string            `json:"by"`       // the policy that decides, "" if all accept
	Answer   string            `json:"answer"`   // what the client is told, if it is told anything

	Filter bool           `json:"-"` // it is about a filter, not an event
	Client []event.PubKey `json:"-"` // whom the reader has authenticated as
}

func (x *ReadExplanation) take(all []policy.Answer, so policy.Decision) {
	x.Policies = answers(all)
	x.Decision, x.By = so.Action.String(), so.By
	if so.Reason != "" {
		x.Answer = string(so.Reason) + ": " + so.Text
	}
}

// Explain tells what every policy says of an event that its author sends; signed says
// that its signature holds.
func (t *Trial) Explain(ctx context.Context, e *event.Event, signed bool) *Explanation {
	x := &Explanation{ID: e.ID.String(), Kind: e.Kind, CreatedAt: made(e), Signed: signed}
	x.take(t.Chain.Explain(ctx, t.writer(e), e))
	return x
}

// ExplainRead tells what every policy says of a reader that is to see an event.
func (t *Trial) ExplainRead(e *event.Event) *ReadExplanation {
	x := &ReadExplanation{What: fmt.Sprintf("event %s, kind %d, of %s", e.ID, e.Kind, made(e)), Client: t.options.As}
	x.take(t.Chain.ExplainDelivery(t.reader(), e))
	return x
}

// ExplainFilter tells what every policy says of a filter.
func (t *Trial) ExplainFilter(ctx context.Context, q Question) *ReadExplanation {
	f, d := t.Chain.Rewrite(ctx, t.reader(), q.Filter)
	x := &ReadExplanation{What: "filter " + string(f.Append(nil)), Filter: true, Client: t.options.As}
	if d.Action != policy.Accept {
		x.take(nil, d)
		return x
	}
	x.take(t.Chain.ExplainFilter(ctx, t.reader(), f, q.Count))
	return x
}

// made says when an event was made.
func made(e *event.Event) string { return time.Unix(e.CreatedAt, 0).UTC().Format(time.RFC3339) }
