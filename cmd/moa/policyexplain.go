package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/policy"
)

func policyExplainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell what each policy of a configuration says of one event",
		ArgsUsage: "EVENT|FILTER|FILE|ID|-",
		Description: `EVENT is the event's JSON, FILE a file with nothing else, - standard input. ID
is that of an event of a running relay with --relay, or else of the store of the
configuration, which no relay may use meanwhile.

Every policy is asked, also those behind one that refuses. The client is the
author, who has authenticated; policies that count start with nothing.

FILTER is a filter, or a REQ or COUNT with one: those policies are asked that
have a say in what is read. The client is a stranger, or as --as says. With
--read the same is told of an event: who may see it.`,
		Flags: slices.Concat(config.Flags(), trialFlags(), sourceFlags()[:1], []cli.Flag{
			&cli.BoolFlag{Name: "read", Usage: "tell whether the client may see the event, not whether it is taken"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
			defer stop()
			return runPolicyExplain(ctx, cmd)
		},
	}
}

func runPolicyExplain(ctx context.Context, cmd *cli.Command) (failed error) {
	if cmd.NArg() != 1 {
		return usage.Errorf("one event or filter, please: its JSON, an event's id, or a file with an event")
	}
	t, err := newTrial(cmd, "now", nil, cmd.Root().ErrWriter)
	if err != nil {
		return err
	}
	arg := cmd.Args().First()
	id, err := event.ParseID(arg)
	byID := err == nil
	if data := cmd.IsSet("data"); byID && cmd.String("relay") == "" || data {
		end, err := t.openData(cmd.Root().ErrWriter)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, end()) }()
	}
	if q, ok := askedFilter(arg); ok {
		return t.explain(ctx, cmd, func(ctx context.Context) (explained, error) { return explainFilter(ctx, t, q) })
	}
	var e *event.Event
	if byID {
		e, err = t.find(ctx, cmd, id)
	} else {
		e, err = readEvent(arg, cmd.Root().Reader)
	}
	if err != nil {
		return err
	}
	return t.explain(ctx, cmd, func(ctx context.Context) (explained, error) { return explainEvent(ctx, t, e, cmd.Bool("read")) })
}

// explained is an explanation of an event, of an event to a reader, or of a
// filter.
type explained interface{ print(w io.Writer) }

// explain lets the policies work, and prints what find finds.
func (t *trial) explain(ctx context.Context, cmd *cli.Command, find func(context.Context) (explained, error)) error {
	return t.run(ctx, cmd.Root().ErrWriter, func(ctx context.Context) error {
		x, err := find(ctx)
		if err != nil {
			return err
		}
		if cmd.Bool("json") {
			return terminal.PrintJSON(cmd.Root().Writer, x)
		}
		x.print(terminal.Writer{Writer: cmd.Root().Writer})
		return nil
	})
}

// askedFilter reads a filter, or a message with a single one.
func askedFilter(arg string) (question, bool) {
	if q, err := parseQuestions([]byte(arg)); err == nil && len(q) == 1 {
		return q[0], true
	}
	return question{}, false
}

func explainEvent(ctx context.Context, t *trial, e *event.Event, read bool) (explained, error) {
	x := &explanation{ID: e.ID.String(), Kind: e.Kind, CreatedAt: at(e)}
	if read {
		r := &readExplanation{What: fmt.Sprintf("event %s, kind %d, of %s", x.ID, x.Kind, x.CreatedAt), client: t.as}
		r.take(t.chain.ExplainDelivery(t.reader(), e))
		return r, nil
	}
	var err error
	if x.Signed, err = t.verified(e); err == nil {
		x.take(t.chain.Explain(ctx, t.client(e), e))
	}
	return x, err
}

func explainFilter(ctx context.Context, t *trial, q question) (explained, error) {
	f, d := t.chain.Rewrite(ctx, t.reader(), q.filter)
	x := &readExplanation{What: "filter " + string(f.Append(nil)), filter: true, client: t.as}
	if d.Action != policy.Accept {
		x.take(nil, d)
		return x, nil
	}
	x.take(t.chain.ExplainFilter(ctx, t.reader(), f, q.count))
	return x, nil
}

// readExplanation is what all policies that have a say said to a reader.
type readExplanation struct {
	What     string            `json:"what"`
	Policies []explainedPolicy `json:"policies"`
	Decision string            `json:"decision"` // accept or reject
	By       string            `json:"by"`       // the policy that decides, "" if all accept
	Answer   string            `json:"answer"`   // what the client is told, if it is told anything

	filter bool
	client []event.PubKey
}

func (x *readExplanation) take(all []policy.Answer, so policy.Decision) {
	x.Policies = explainedPolicies(all)
	x.Decision, x.By = so.Action.String(), so.By
	if so.Reason != "" {
		x.Answer = string(so.Reason) + ": " + so.Text
	}
}

func (x *readExplanation) print(w io.Writer) {
	fmt.Fprintln(w, x.What)
	if len(x.client) == 0 {
		fmt.Fprint(w, "asked by a stranger\n\n")
	} else {
		fmt.Fprintf(w, "asked by %v\n\n", x.client)
	}
	if len(x.Policies) == 0 {
		fmt.Fprintln(w, "no policy has a say in it")
	}
	words := verb
	if !x.filter {
		words = showVerb
	}
	printPolicies(w, x.Policies, x.By, words)
	fmt.Fprintln(w)
	switch {
	case x.By == "" && x.filter:
		fmt.Fprintln(w, "answered, without the events that policies hide")
	case x.By == "":
		fmt.Fprintln(w, "shown")
	case x.filter:
		fmt.Fprintf(w, "refused because of %s; the client is told:\n%s\n", x.By, x.Answer)
	default:
		fmt.Fprintf(w, "hidden because of %s\n", x.By)
	}
}

// readEvent reads an event that is given as JSON, in a file, or at stdin.
func readEvent(arg string, stdin io.Reader) (*event.Event, error) {
	text := []byte(arg)
	var err error
	switch {
	case arg == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, transfer.MaxLineBytes))
	case len(arg) == 0 || arg[0] != '{':
		text, err = os.ReadFile(arg)
	}
	if err != nil {
		return nil, usage.Error{Err: err}
	}
	e, err := event.Parse(bytes.TrimSpace(text))
	if err != nil {
		return nil, usage.Errorf("that is no event: %w", err)
	}
	return e, nil
}

// explanation is what all policies said of an event.
type explanation struct {
	ID        string            `json:"id"`
	Kind      uint16            `json:"kind"`
	CreatedAt string            `json:"created_at"`
	Signed    bool              `json:"signed"` // its signature holds
	Policies  []explainedPolicy `json:"policies"`
	Decision  string            `json:"decision"` // an action
	By        string            `json:"by"`       // the policy that decides, "" if all accept
	Answer    string            `json:"answer"`   // what the client is told besides OK
}

type explainedPolicy struct {
	Name   string `json:"name"`
	Mode   string `json:"mode"`
	Asked  bool   `json:"asked"`
	Action string `json:"action"`
	Reason string `json:"reason,omitempty"`
	Text   string `json:"text,omitempty"`
}

func explainedPolicies(all []policy.Answer) []explainedPolicy {
	list := []explainedPolicy{}
	for _, a := range all {
		list = append(list, explainedPolicy{
			a.Link.Name, a.Link.Mode.String(), a.Asked, a.Action.String(), string(a.Reason), a.Text,
		})
	}
	return list
}

func (x *explanation) take(all []policy.Answer, so policy.Decision) {
	x.Policies = explainedPolicies(all)
	x.Decision, x.By = so.Action.String(), so.By
	if so.Action == policy.Reject {
		x.Answer = string(so.Reason) + ": " + so.Text
	}
}

func (x *explanation) print(w io.Writer) {
	fmt.Fprintf(w, "event %s, kind %d, of %s\n", x.ID, x.Kind, x.CreatedAt)
	if !x.Signed {
		fmt.Fprintln(w, "its signature does not hold: the relay refuses it, whatever its policies say")
	}
	if x.Kind == event.KindVanish {
		fmt.Fprintln(w, "it is a request to vanish: the relay does not ask its policies about it")
	}
	fmt.Fprintln(w)
	printPolicies(w, x.Policies, x.By, verb)
	fmt.Fprintln(w)
	switch x.Decision {
	case policy.Accept.String():
		fmt.Fprintln(w, "accepted")
	case policy.RelayOnly.String():
		fmt.Fprintf(w, "passed on to those who listen, and not stored, because of %s\n", x.By)
	case policy.Shadow.String():
		fmt.Fprintf(w, "dropped because of %s, and the client is told that it was accepted\n", x.By)
	default:
		fmt.Fprintf(w, "refused because of %s; the client is told:\n%s\n", x.By, x.Answer)
	}
}

// showVerb says what a policy does with an event that somebody reads.
func showVerb(mode, action, _ string) string {
	switch {
	case action == policy.Accept.String():
		return "shows"
	case mode == policy.Observe.String():
		return "would hide"
	}
	return "hides"
}

// printPolicies marks the one that decides.
func printPolicies(w io.Writer, list []explainedPolicy, by string, verb func(mode, action, reason string) string) {
	for _, p := range list {
		words := verb(p.Mode, p.Action, p.Reason)
		if !p.Asked {
			words = "is not asked about these people"
		}
		if p.Text != "" {
			words += ": " + p.Text
		}
		mark := " "
		if p.Name == by {
			mark = ">"
		}
		fmt.Fprintf(w, "%s %-16s %s\n", mark, p.Name, words)
	}
}
