package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/policy"
	"moa/policy/trial"
)

// readQuestions reads JSON lines: filters, lists of them, or messages of
// clients, of which those that read nothing are left out. broken is how many lines
// are none of these.
func readQuestions(path string) (all []trial.Question, broken int, err error) {
	in, err := transfer.Open(path)
	if err != nil {
		return nil, 0, usage.Error{Err: err}
	}
	defer in.Close()
	for {
		line, err := in.NextLine()
		switch {
		case errors.Is(err, io.EOF):
			return all, broken, nil
		case errors.Is(err, transfer.ErrLongLine):
			broken++
			continue
		case err != nil:
			return nil, 0, err
		case len(line) == 0:
			continue
		}
		asked, err := trial.ParseQuestions(line)
		if err != nil {
			broken++
		}
		all = append(all, asked...)
	}
}

// runReadTest is runPolicyTest for --reads.
func runReadTest(ctx context.Context, cmd *cli.Command) (failed error) {
	if cmd.NArg() > 1 {
		return usage.Errorf("one file at a time")
	}
	filter, err := filterFlag(cmd)
	if err != nil {
		return err
	}
	r := trial.NewReads(cmd.Int("examples"))
	r.Source = cmd.String("reads")
	questions, broken, err := readQuestions(r.Source)
	if err != nil {
		return err
	}
	r.Broken = broken
	t, err := newTrial(cmd, "now", r.Report)
	if err != nil {
		return err
	}
	defer func() { failed = errors.Join(failed, t.end()) }()
	switch _, err := os.Stat(t.cfg.Data); {
	case cmd.NArg() > 0 || cmd.String("relay") != "":
		if r.Events, _, _, err = t.gather(ctx, cmd, filter); err != nil {
			return err
		}
	case errors.Is(err, fs.ErrNotExist) && !cmd.IsSet("data"):
		// Only the filters are tried.
	default:
		end, err := t.openData()
		if err != nil {
			return err
		}
		defer func() { failed = errors.Join(failed, end()) }()
		r.Events = t.cfg.Data
	}
	if err := t.run(ctx, func(ctx context.Context) error { return r.Ask(ctx, t.Trial, questions) }); err != nil {
		return err
	}
	if cmd.Bool("json") {
		return terminal.PrintJSON(cmd.Root().Writer, r)
	}
	printReads(terminal.Writer{Writer: cmd.Root().Writer}, r)
	return nil
}

// printReads writes what policies did with filters for a person.
func printReads(w io.Writer, r *trial.Reads) {
	if r.Broken > 0 {
		fmt.Fprintf(w, "%s left out: neither filters nor messages\n", terminal.Count(r.Broken, "line", "lines"))
	}
	fmt.Fprintf(w, "%s of %s", terminal.Count(r.Filters, "filter", "filters"), r.Source)
	if r.Events != "" {
		fmt.Fprintf(w, ", and what %s in %s", terminal.Form(r.Filters, "it finds", "they find"), r.Events)
	}
	fmt.Fprint(w, "\n\n")
	for _, p := range r.Policies {
		if p.Filters == nil && p.Events == nil {
			fmt.Fprintf(w, "%-16s refuses and hides nothing\n", p.Name)
		}
		refuses, hides := "refuses filters", "hides events"
		if p.Mode == policy.Observe.String() {
			refuses, hides = "would refuse filters", "would hide events"
		}
		printRefusals(w, p.Filters, p.Name, refuses, r.Filters)
		printRefusals(w, p.Events, p.Name, hides, r.Shown+r.Hidden)
	}
	fmt.Fprintf(w, "\n%8d  %5.1f%%  filters answered\n", r.Filters-r.Refused, percent(r.Filters-r.Refused, r.Filters))
	if r.Refused > 0 {
		fmt.Fprintf(w, "%8d  %5.1f%%  filters refused\n", r.Refused, percent(r.Refused, r.Filters))
	}
	if r.Events != "" {
		fmt.Fprintf(w, "%8d  %5.1f%%  events shown\n", r.Shown, percent(r.Shown, r.Shown+r.Hidden))
	}
	if r.Hidden > 0 {
		fmt.Fprintf(w, "%8d  %5.1f%%  events hidden\n", r.Hidden, percent(r.Hidden, r.Shown+r.Hidden))
	}
}

func printRefusals(w io.Writer, v *trial.ReadRefusals, name, words string, of int) {
	if v == nil {
		return
	}
	fmt.Fprintf(w, "%-16s %-28s %8d  %5.1f%%\n", name, words, v.Times, percent(v.Times, of))
	for _, x := range v.Examples {
		fmt.Fprintln(w, strings.TrimRight("    "+x.What+"  "+x.Text, " "))
	}
}

// percent is the share of n, 0 of nothing.
func percent(n, of int) float64 { return 100 * float64(n) / float64(max(1, of)) }
