package main

import (
	"cmp"
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
	"moa/nips/event"
	"moa/policy"
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
NEG-OPEN; others are passed over). The client is a stranger, or as --as and --ip
say, and asks all of them at once. Filters that are answered are looked for in
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
	r := &outcome{most: cmd.Int("examples")}
	stderr := cmd.Root().ErrWriter
	t, err := newTrial(cmd, "event", r.report, stderr)
	if err != nil {
		return err
	}
	if cmd.NArg() == 0 && cmd.String("relay") == "" {
		end, err := t.openData(stderr)
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, end()) }()
	}
	r.begin(t.chain)
	if r.Source, r.broken, err = t.gather(ctx, cmd, filter); err != nil {
		return err
	}
	r.Broken = r.broken.Rejected
	err = t.run(ctx, stderr, func(ctx context.Context) error { return r.ask(ctx, t) })
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return terminal.PrintJSON(cmd.Root().Writer, r)
	}
	r.print(terminal.Writer{Writer: cmd.Root().Writer})
	return nil
}

// filterFlag is what --filter says, everything without it.
func filterFlag(cmd *cli.Command) (*event.Filter, error) {
	text := cmd.String("filter")
	if text == "" {
		return new(event.Filter), nil
	}
	f, err := event.ParseFilter([]byte(text))
	if err != nil {
		return nil, usage.Errorf("--filter: %w", err)
	}
	return f, nil
}

// outcome is what policies did with many events.
type outcome struct {
	Source   string           `json:"source"`
	Broken   map[string]int64 `json:"broken"` // lines that are no events, or are forged, by what is wrong
	Events   int              `json:"events"`
	Fates    map[string]int   `json:"fates"` // by the words in actions, and "unasked"
	Policies []*trialPolicy   `json:"policies"`

	broken transfer.Tally
	most   int // examples of each verdict
	asking *event.Event
	byName map[string]*trialPolicy
}

// trialPolicy is what one policy said.
type trialPolicy struct {
	Name     string          `json:"name"`
	Mode     string          `json:"mode"`
	Verdicts []*trialVerdict `json:"verdicts"`
}

type trialVerdict struct {
	Action   string         `json:"action"`
	Reason   string         `json:"reason,omitempty"`
	Events   int            `json:"events"`
	Share    float64        `json:"share"` // of all events
	Examples []trialExample `json:"examples"`
}

type trialExample struct {
	ID   string `json:"id"`
	Kind uint16 `json:"kind"`
	Text string `json:"text"`
}

// unasked is the fate of requests to vanish, which no policy can refuse.
const unasked = "unasked"

func (r *outcome) begin(c *policy.Chain) {
	r.Fates, r.byName = map[string]int{}, map[string]*trialPolicy{}
	for _, n := range c.Links() {
		p := &trialPolicy{Name: n.Name, Mode: n.Mode.String(), Verdicts: []*trialVerdict{}}
		r.Policies, r.byName[n.Name] = append(r.Policies, p), p
	}
}

// ask asks about all events, in their order.
func (r *outcome) ask(ctx context.Context, t *trial) error {
	r.Events = len(t.events)
	for _, e := range t.events {
		if err := ctx.Err(); err != nil {
			return err
		}
		if e.Kind == event.KindVanish {
			r.Fates[unasked]++
			continue
		}
		r.asking = e
		c := t.client(e)
		d := t.chain.Early(ctx, c, e)
		if d.Action == policy.Accept || d.Action == policy.RelayOnly {
			d = t.chain.Late(ctx, c, e, d)
		}
		r.Fates[d.Action.String()]++
		if d.Action == policy.Accept || d.Action == policy.RelayOnly {
			t.chain.Saved(c, e)
		}
	}
	for _, p := range r.Policies {
		for _, v := range p.Verdicts { // of some event, so there is one
			v.Share = float64(v.Events) / float64(len(t.events))
		}
		slices.SortStableFunc(p.Verdicts, func(a, b *trialVerdict) int { return cmp.Compare(b.Events, a.Events) })
	}
	return nil
}

// report is the chain's policy.Report: it comes while ask asks.
func (r *outcome) report(n *policy.Named, at policy.Stage, v policy.Verdict) {
	if at != policy.AtEvent {
		return
	}
	p := r.byName[n.Name]
	i := slices.IndexFunc(p.Verdicts, func(t *trialVerdict) bool {
		return t.Action == v.Action.String() && t.Reason == string(v.Reason)
	})
	if i < 0 {
		i = len(p.Verdicts)
		p.Verdicts = append(p.Verdicts, &trialVerdict{Action: v.Action.String(), Reason: string(v.Reason), Examples: []trialExample{}})
	}
	t := p.Verdicts[i]
	t.Events++
	// What says the same of the same kind shows nothing new.
	if len(t.Examples) < r.most && !slices.ContainsFunc(t.Examples, func(x trialExample) bool {
		return x.Kind == r.asking.Kind && x.Text == v.Text
	}) {
		t.Examples = append(t.Examples, trialExample{r.asking.ID.String(), r.asking.Kind, v.Text})
	}
}

// print writes the outcome for a person.
func (r *outcome) print(w io.Writer) {
	for _, f := range r.broken.Faults {
		fmt.Fprintf(w, "line %d: %s\n", f.Line, f.Text)
	}
	for _, what := range slices.Sorted(maps.Keys(r.Broken)) {
		fmt.Fprintf(w, "%d lines left out: %s\n", r.Broken[what], what)
	}
	fmt.Fprintf(w, "%d events of %s\n\n", r.Events, r.Source)
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
		{"accept", "accepted"}, {"relay_only", "passed on and not stored"}, {"reject", "refused"},
		{"shadow", "dropped, though told accepted"}, {unasked, "requests to vanish, which policies are not asked about"},
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
		policy.RelayOnly.String(): {"passes on, does not store", "would pass on, not store"},
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
