package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"

	"github.com/urfave/cli/v3"

	"moa/nips/event"
	"moa/policy"
)

func policyExplainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell what each policy of a configuration says of one event",
		ArgsUsage: "EVENT|FILE|ID|-",
		Description: `EVENT is the event's JSON, FILE a file with nothing else, - standard input. ID
is that of an event of a running relay with --relay, or else of the store of the
configuration, which no relay may use meanwhile.

Every policy is asked, also those behind one that refuses. The client is the
author, who has authenticated; policies that count start with nothing.`,
		Flags: slices.Concat(configFlags(), trialFlags(), sourceFlags()[:1], []cli.Flag{
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
			defer stop()
			return runPolicyExplain(ctx, cmd)
		},
	}
}

func runPolicyExplain(ctx context.Context, cmd *cli.Command) error {
	if cmd.NArg() != 1 {
		return usagef("one event, please: its JSON, its id, or a file with it")
	}
	stderr := cmd.Root().ErrWriter
	t, err := newTrial(cmd, "now", nil, stderr)
	if err != nil {
		return err
	}
	arg := cmd.Args().First()
	id, err := event.ParseID(arg)
	byID := err == nil
	if data := cmd.IsSet("data"); byID && cmd.String("relay") == "" || data {
		end, err := t.openData()
		if err != nil {
			return err
		}
		defer end()
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
	x := explanation{ID: e.ID.String(), Kind: e.Kind, CreatedAt: at(e)}
	if x.Signed, err = t.verified(e); err != nil {
		return err
	}
	err = t.run(ctx, stderr, func(ctx context.Context) error {
		x.take(t.chain.Explain(ctx, t.client(e), e))
		return nil
	})
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		out := json.NewEncoder(cmd.Root().Writer)
		out.SetIndent("", "  ")
		return out.Encode(x)
	}
	x.print(cmd.Root().Writer)
	return nil
}

// readEvent reads an event that is given as JSON, in a file, or at stdin.
func readEvent(arg string, stdin io.Reader) (*event.Event, error) {
	text := []byte(arg)
	var err error
	switch {
	case arg == "-":
		text, err = io.ReadAll(io.LimitReader(stdin, maxLineBytes))
	case len(arg) == 0 || arg[0] != '{':
		text, err = os.ReadFile(arg)
	}
	if err != nil {
		return nil, usageError{err}
	}
	e, err := event.Parse(bytes.TrimSpace(text))
	if err != nil {
		return nil, usagef("that is no event: %w", err)
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

func (x *explanation) take(all []policy.Answer, so policy.Decision) {
	for _, a := range all {
		x.Policies = append(x.Policies, explainedPolicy{
			a.Link.Name, a.Link.Mode.String(), a.Asked, actions[a.Action], string(a.Reason), a.Text,
		})
	}
	x.Decision, x.By = actions[so.Action], so.By
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
	for _, p := range x.Policies {
		words := verb(p.Mode, p.Action, p.Reason)
		if !p.Asked {
			words = "is not asked about these people"
		}
		if p.Text != "" {
			words += ": " + p.Text
		}
		mark := " "
		if p.Name == x.By {
			mark = ">"
		}
		fmt.Fprintf(w, "%s %-16s %s\n", mark, p.Name, words)
	}
	fmt.Fprintln(w)
	switch x.Decision {
	case actions[policy.Accept]:
		fmt.Fprintln(w, "accepted")
	case actions[policy.RelayOnly]:
		fmt.Fprintf(w, "passed on to those who listen, and not stored, because of %s\n", x.By)
	case actions[policy.Shadow]:
		fmt.Fprintf(w, "dropped because of %s, and the client is told that it was accepted\n", x.By)
	default:
		fmt.Fprintf(w, "refused because of %s; the client is told:\n%s\n", x.By, x.Answer)
	}
}
