package main

import (
	"context"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/urfave/cli/v3"

	"moa/bench"
	"moa/bench/corpus"
	"moa/bench/launch"
	benchreport "moa/bench/report"
	"moa/cmd/moa/internal/usage"
)

func benchCompareCommand() *cli.Command {
	return &cli.Command{
		Name:      "compare",
		Usage:     "run relays in turns on the same corpus and print ratios",
		ArgsUsage: "A B …",
		Description: `Each relay is "moa" (this program), a command with {port} and {data} in it, or the URL of one that runs; NAME=… names it in
the tables. Commands are started anew on an empty folder for every round (--repeat), another relay first each time. A relay at
a URL keeps what it has: compare such relays once.

   moa bench compare moa 'khatru=/tmp/baseline --listen 127.0.0.1:{port} --data {data}' --repeat 5`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "workloads", Value: "idle,publish,query,live", Usage: "which, in this order; slow, mixed, storm, handover, auth, sync and crash are there too"},
		},
		Action: benchCompare,
	}
}

func benchCompare(ctx context.Context, cmd *cli.Command) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	openManyFiles()
	if cmd.NArg() < 2 {
		return usage.Errorf("compare needs two relays or more")
	}
	workloads, err := namedWorkloads(cmd)
	if err != nil {
		return err
	}
	c := bench.Comparison{Workloads: workloads, Rounds: cmd.Int("repeat")}
	for _, arg := range cmd.Args().Slice() {
		one, err := contestant(cmd, arg, workloads)
		if err != nil {
			return err
		}
		c.Contestants = append(c.Contestants, one)
	}
	status := newStatus(cmd)
	defer status.clear()
	status.say("making or reading the corpus …")
	made, source, err := benchCorpus(cmd)
	if err != nil {
		return err
	}
	c.Corpus = func(int) (*corpus.Corpus, error) { return made, nil }
	c.Options = benchOptions(cmd, status)
	r := bench.NewReport(made, source)
	err = c.Run(ctx, r)
	status.clear()
	if err != nil {
		return err
	}
	return benchShow(cmd, r, benchreport.Versus)
}

// namedWorkloads picks those of the tour that --workloads names.
func namedWorkloads(cmd *cli.Command) (out []bench.Workload, err error) {
	known := everyWorkload(cmd)
	for name := range strings.SplitSeq(cmd.String("workloads"), ",") {
		found := false
		for _, w := range known {
			if p, ok := w.(bench.Publish); ok {
				p.Repeats = 1 // every round starts on an empty relay
				w = p
			}
			if w.Name() == strings.TrimSpace(name) {
				out, found = append(out, w), true
			}
		}
		if !found {
			return nil, usage.Errorf("--workloads: there is no workload %q", name)
		}
	}
	return out, nil
}

var namedRelay = regexp.MustCompile(`^([A-Za-z0-9_.-]+)=(.+)$`)

// contestant reads one argument of compare.
func contestant(cmd *cli.Command, arg string, workloads []bench.Workload) (c bench.Contestant, err error) {
	if m := namedRelay.FindStringSubmatch(arg); m != nil {
		c.Name, arg = m[1], m[2]
	}
	if strings.HasPrefix(arg, "ws://") || strings.HasPrefix(arg, "wss://") {
		if c.Name == "" {
			c.Name = arg
		}
		c.Start = func(context.Context) (bench.Target, func() error, error) {
			return bench.Target{URL: arg}, func() error { return nil }, nil
		}
		return c, manners(cmd, arg, workloads)
	}
	args, err := launch.Parse(arg)
	if err != nil {
		return c, usage.Errorf("%w", err)
	}
	if c.Name == "" {
		c.Name = filepath.Base(args[0])
	}
	if len(args) == 1 && args[0] == "moa" {
		if args, err = ownServe(); err != nil {
			return c, err
		}
	}
	c.Start = func(ctx context.Context) (bench.Target, func() error, error) {
		return startTarget(ctx, c.Name, launch.Command{Args: args})
	}
	return c, nil
}
