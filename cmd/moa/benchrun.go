package main

import (
	"context"
	"errors"
	"strings"

	"github.com/urfave/cli/v3"

	"moa/bench"
	benchreport "moa/bench/report"
	"moa/cmd/moa/internal/usage"
)

// benchRun loads one relay with the workloads and shows the report.
func benchRun(ctx context.Context, cmd *cli.Command, args []string, workloads []bench.Workload) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	openManyFiles()
	if len(args) > 1 {
		return usage.Errorf("one URL at most, have %q", args)
	}
	url := ""
	if len(args) == 1 {
		url = args[0]
	}
	if err := manners(cmd, url, workloads); err != nil {
		return err
	}
	status := newStatus(cmd)
	defer status.clear()
	status.say("making or reading the corpus …")
	made, source, err := benchCorpus(cmd)
	if err != nil {
		return err
	}
	status.say("starting …")
	target, closeTarget, err := benchTarget(ctx, cmd, url)
	if err != nil {
		return err
	}
	defer func() { _ = closeTarget() }() // of a relay whose figures are taken
	r := bench.NewReport(made, source)
	options := benchOptions(cmd, status)
	options.Target, options.Corpus = target, made
	session, err := bench.Open(ctx, options)
	if err != nil {
		return err
	}
	for i, w := range workloads {
		status.step(i, len(workloads))
		result, err := session.Do(ctx, w, cmd.Int("repeat"))
		if len(result.Runs) > 0 {
			r.Add(result)
		}
		if err != nil && ctx.Err() == nil {
			r.Warnings = append(r.Warnings, err.Error())
		}
		if ctx.Err() != nil {
			r.Partial = true
			break
		}
	}
	status.clear()
	if len(r.Results) == 0 && !r.Partial {
		return errors.New(strings.Join(r.Warnings, "; "))
	}
	return benchShow(cmd, r, benchreport.Text)
}

func benchOptions(cmd *cli.Command, s *status) bench.Options {
	return bench.Options{Prefilled: cmd.Bool("prefilled"), Compress: cmd.Bool("compress"), IgnoreLimits: cmd.Bool("ignore-limits"), Timeout: cmd.Duration("timeout"), Watch: s.show}
}

// manners refuses more than a gentle load on relays that are elsewhere.
func manners(cmd *cli.Command, url string, workloads []bench.Workload) error {
	if url == "" || cmd.Bool("yes-this-is-my-relay") {
		return nil
	}
	for _, w := range workloads {
		if err := bench.CheckManners(url, w, cmd.Bool("prefilled")); err != nil {
			g := bench.Gentle
			return usage.Errorf("%w: up to %d connections, %d events in all, --rate up to %g a second, --duration up to %s, and for queries --prefilled",
				err, g.Conns, g.Events, g.Rate, g.Duration)
		}
	}
	return nil
}
