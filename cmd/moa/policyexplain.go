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
	"moa/nips/nip19"
	"moa/policy"
	"moa/policy/trial"
)

func policyExplainCommand() *cli.Command {
	return &cli.Command{
		Name:      "explain",
		Usage:     "tell what each policy of a configuration says of one event",
		ArgsUsage: "EVENT|FILTER|FILE|ID|-",
		Description: `EVENT is the event's JSON, FILE a file with nothing else, - standard input. ID
(a note, a nevent or hex) is that of an event of the store, or with --relay of what a
relay shows to a client that has not authenticated. Bans and lists of people are those
of the store. A relay that runs with it is asked through its control socket.

Every policy is asked, also those behind one that refuses. The client is the
author, who has authenticated; policies that count start with nothing.

FILTER is a filter, or a REQ or COUNT with one: those policies are asked that
have a say in what is read. The client has not authenticated, unless --as says as whom. With
--read the same is told of an event: whether the client may see it.`,
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
	t, err := newTrial(cmd, "now", nil)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, t.end()) }()
	arg := cmd.Args().First()
	folder := &dataFolder{cfg: &t.cfg, stderr: cmd.Root().ErrWriter}
	defer func() { failed = errors.Join(failed, folder.close()) }()
	if data := cmd.IsSet("data"); data || cmd.String("relay") == "" {
		t.Lists = folder
		if data { // bans are there, and none would be found in a folder that is not the relay's
			if err := folder.mustBe(); err != nil {
				return err
			}
		}
	}
	if q, err := trial.ParseQuestions([]byte(arg)); err == nil && len(q) == 1 {
		return t.run(ctx, func(ctx context.Context) error { return showRead(cmd, t.ExplainFilter(ctx, q[0])) })
	}
	var e *event.Event
	if id, parsed := nip19.ParseEventID(arg); parsed == nil {
		e, err = findEvent(ctx, cmd.String("relay"), folder, id)
	} else {
		e, err = readEvent(arg, cmd.Root().Reader)
	}
	if err != nil {
		return err
	}
	return t.run(ctx, func(ctx context.Context) error {
		if cmd.Bool("read") {
			return showRead(cmd, t.ExplainRead(e))
		}
		signed, err := t.verified(e)
		if err != nil {
			return err
		}
		return show(cmd, t.Explain(ctx, e, signed), printExplanation)
	})
}

func showRead(cmd *cli.Command, x *trial.ReadExplanation) error {
	return show(cmd, x, printReadExplanation)
}

// show writes x for a program, or with print for a person.
func show[X any](cmd *cli.Command, x X, print func(io.Writer, X)) error {
	if cmd.Bool("json") {
		return terminal.PrintJSON(cmd.Root().Writer, x)
	}
	print(terminal.Writer{Writer: cmd.Root().Writer}, x)
	return nil
}

func printReadExplanation(w io.Writer, x *trial.ReadExplanation) {
	fmt.Fprintln(w, x.What)
	if len(x.Client) == 0 {
		fmt.Fprint(w, "asked by a client that has not authenticated\n\n")
	} else {
		fmt.Fprintf(w, "asked by %v\n\n", x.Client)
	}
	if len(x.Policies) == 0 {
		fmt.Fprintln(w, "no policy has a say in it")
	}
	words := verb
	if !x.Filter {
		words = showVerb
	}
	printPolicies(w, x.Policies, x.By, words)
	fmt.Fprintln(w)
	switch {
	case x.By == "" && x.Filter:
		fmt.Fprintln(w, "answered, without the events that policies hide")
	case x.By == "":
		fmt.Fprintln(w, "shown")
	case x.Filter:
		fmt.Fprintf(w, "refused because of %s; the client is told:\n%s\n", x.By, x.Answer)
	default:
		fmt.Fprintf(w, "hidden because of %s\n", x.By)
	}
}

// findEvent returns the event of that id from a relay, or without a URL from the folder.
func findEvent(ctx context.Context, url string, folder *dataFolder, id event.ID) (found *event.Event, err error) {
	f := &event.Filter{IDs: []event.ID{id}}
	if url != "" {
		err = transfer.Fetch(ctx, url, *f, func(raw []byte) (err error) {
			found, err = event.Parse(slices.Clone(raw))
			return err
		})
	} else if err = folder.mustBe(); err == nil {
		err = folder.Stored(ctx, f, func(e *event.Event) error { found = e; return nil })
	}
	if err == nil && found == nil {
		return nil, fmt.Errorf("there is no event %s", id)
	}
	return found, err
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

func printExplanation(w io.Writer, x *trial.Explanation) {
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
		fmt.Fprintf(w, "sent to live subscriptions, and not stored, because of %s\n", x.By)
	case policy.Wait.String():
		fmt.Fprintf(w, "waits for a person to approve it because of %s\n", x.By)
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

// printPolicies marks the policy that decides.
func printPolicies(w io.Writer, list []trial.ExplainedPolicy, by string, verb func(mode, action, reason string) string) {
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
