package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"slices"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/policy"
	"moa/policy/trial"
)

func policyTestCommand() *cli.Command {
	return &cli.Command{
		Name:      "test",
		Usage:     "tell what the policies of a configuration would do with many events",
		ArgsUsage: "[FILE]",
		Description: `Asks the policies about every event of FILE (JSON lines, gzip and zstd are
recognised; - is standard input), of a running relay with --relay, or else of
the store of the configuration, which no relay may use meanwhile. Nothing is
stored and nobody is told. What is printed is what the relay would do: the first
policy that refuses decides, those behind it are not asked, and one that only
observes is listed with what it would refuse.

Every event comes from its author, who has authenticated and has a network of
their own, oldest first, at the time at which it was made: so what counts over
time counts as it would have. Policies that count start with nothing. Lists that
are read from the store are read from the events that are asked about. The
events are held in memory.

With --reads it tells what the policies would do with many filters: the lines of
that file are filters, lists of them, or messages of clients (REQ, COUNT,
NEG-OPEN; others are passed over). The client has not authenticated, unless --as and --ip
say otherwise, and asks all of them at once. Filters that are answered are looked for in
the events, so that those are listed which a policy hides.`,
		Flags: slices.Concat(config.Flags(), trialFlags(), sourceFlags(), []cli.Flag{
			&cli.StringFlag{Name: "reads", Usage: "try reading: ask about the filters in `FILE` instead of writing the events"},
			&cli.StringFlag{Name: "filter", Usage: "only what this NIP-01 filter matches, as `JSON`"},
			&cli.IntFlag{Name: "examples", Value: 3, Usage: "show at most `N` events for each verdict"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
			defer stop()
			if cmd.String("reads") != "" {
				return runReadTest(ctx, cmd)
			}
			return runPolicyTest(ctx, cmd)
		},
	}
}

func runPolicyTest(ctx context.Context, cmd *cli.Command) (failed error) {
	if cmd.NArg() > 1 {
		return usage.Errorf("one file at a time")
	}
	filter, err := filterFlag(cmd)
	if err != nil {
		return err
	}
	r := trial.NewWrites(cmd.Int("examples"))
	t, err := newTrial(cmd, "event", r.Report)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, t.end()) }()
	if cmd.NArg() == 0 && cmd.String("relay") == "" {
		end, err := t.openData()
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, end()) }()
	}
	where, events, broken, err := t.gather(ctx, cmd, filter)
	if err != nil {
		return err
	}
	r.Source, r.Broken = where, broken.Rejected
	err = t.run(ctx, func(ctx context.Context) error { return r.Ask(ctx, t.Trial, events) })
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return terminal.PrintJSON(cmd.Root().Writer, r)
	}
	printWrites(terminal.Writer{Writer: cmd.Root().Writer}, r, broken.Faults)
	return nil
}

// printWrites writes what policies did with events for a person.
func printWrites(w io.Writer, r *trial.Writes, broken []transfer.Fault) {
	for _, f := range broken {
		fmt.Fprintf(w, "line %d: %s\n", f.Line, f.Text)
	}
	for _, what := range slices.Sorted(maps.Keys(r.Broken)) {
		fmt.Fprintf(w, "%s left out: %s\n", terminal.Count(r.Broken[what], "line", "lines"), what)
	}
	fmt.Fprintf(w, "%s of %s\n\n", terminal.Count(r.Events, "event", "events"), r.Source)
	for _, p := range r.Policies {
		if len(p.Verdicts) == 0 {
			fmt.Fprintf(w, "%-16s refuses none\n", p.Name)
		}
		for _, v := range p.Verdicts {
			fmt.Fprintf(w, "%-16s %-28s %8d  %5.1f%%\n", p.Name, verb(p.Mode, v.Action, v.Reason), v.Events, 100*v.Share)
			for _, x := range v.Examples {
				fmt.Fprintf(w, "    %s kind %d  %s\n", x.ID, x.Kind, x.Text)
			}
		}
	}
	fmt.Fprintln(w)
	for _, fate := range []struct{ key, words string }{
		{"accept", "accepted"},
		{"relay_only", "sent to live subscriptions and not stored"},
		{"reject", "refused"},
		{"wait", "wait for a person to approve them"},
		{"shadow", "dropped, though told accepted"},
		{trial.Unasked, "requests to vanish, which policies are not asked about"},
	} {
		if n := r.Fates[fate.key]; n > 0 {
			fmt.Fprintf(w, "%8d  %5.1f%%  %s\n", n, 100*float64(n)/float64(r.Events), fate.words)
		}
	}
}

// verb says what a policy does, or would do if it were enforced.
func verb(mode, action, reason string) string {
	words := map[string][2]string{
		policy.Accept.String():    {"accepts", "accepts"},
		policy.Reject.String():    {"refuses", "would refuse"},
		policy.Shadow.String():    {"drops silently", "would drop silently"},
		policy.RelayOnly.String(): {"sends live, does not store", "would send live, not store"},
		policy.Wait.String():      {"has it wait", "would have it wait"},
	}[action]
	text := words[0]
	if mode == policy.Observe.String() {
		text = words[1]
	}
	if reason != "" {
		text += ": " + reason
	}
	return text
}
