package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"
)

const benchHelp = `Loads a relay the way clients do, measures it, and checks every answer meanwhile: a relay that is
fast and wrong fails.

   moa bench                             a tour of one minute: a moa of its own, on loopback
   moa bench ws://127.0.0.1:7447         the same tour against a relay that runs
   moa bench publish --rate 500 URL      one workload; moa bench publish --help has its flags
   moa bench --start 'COMMAND … {port} … {data}'   a relay that is started for the test, on a free port and an empty folder
   moa bench compare 'moa serve --listen 127.0.0.1:{port} --data {data}' 'other …'
   moa bench diff old.json new.json      what changed, and whether that means anything
   moa bench --html report.html --json result.json --markdown tables.md --repeat 5    five runs of each, on file

Latencies count from the moment an operation was meant to start, so a relay that stalls is charged for what had to wait.
With --pid or --start the relay's CPU and memory are read from /proc (Linux), with --data-dir what it takes on disk.
When this program itself was the bottleneck, it says so. Ctrl-C ends the test and shows what was measured until then.

A relay that is not on this machine gets a gentle load only, unless you say --yes-this-is-my-relay.`

func benchCommand() *cli.Command {
	commands := make([]*cli.Command, 0, len(benchVerbs)+3)
	for _, v := range benchVerbs {
		commands = append(commands, v.command())
	}
	commands = append(commands, benchCompareCommand(), benchDiffCommand(), benchCorpusCommand())
	return &cli.Command{
		Name:        "bench",
		Usage:       "load-test a relay, this one or any other",
		ArgsUsage:   "[URL]",
		Description: benchHelp,
		Flags:       benchFlags(),
		Commands:    commands,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return benchRun(ctx, cmd, cmd.Args().Slice(), tour(cmd))
		},
	}
}

// benchFlags are what all workloads share.
func benchFlags() []cli.Flag {
	const load, target, output = "CORPUS", "RELAY", "OUTPUT"
	return []cli.Flag{
		&cli.StringFlag{Name: "start", Category: target, Usage: "start the relay with this `COMMAND`; {port} and {data} are filled in"},
		&cli.IntFlag{Name: "pid", Category: target, HideDefault: true, Usage: "process of the relay, to read its CPU and memory"},
		&cli.StringFlag{Name: "data-dir", Category: target, Usage: "data `FOLDER` of the relay, to measure its growth; with --start, where to put it"},
		&cli.BoolFlag{Name: "prefilled", Category: target, Usage: "the relay has the corpus already, and perhaps more: do not publish it before asking"},
		&cli.BoolFlag{Name: "compress", Category: target, Usage: "offer permessage-deflate, as browsers do"},
		&cli.BoolFlag{Name: "ignore-limits", Category: target, Usage: "go on when the relay says rate-limited, and send and ask for more than its NIP-11 allows"},
		&cli.DurationFlag{Name: "timeout", Category: target, Value: 10 * time.Second, Usage: "an answer that takes longer is missing"},
		&cli.BoolFlag{Name: "yes-this-is-my-relay", Category: target, Usage: "allow any load on a relay that is not on this machine"},

		&cli.Uint64Flag{Name: "seed", Category: load, Value: 1, Usage: "equal seeds give equal events (relative to the day's start)"},
		&cli.IntFlag{Name: "events", Category: load, Value: 50_000, Usage: "size of the corpus"},
		&cli.IntFlag{Name: "authors", Category: load, DefaultText: "one per 20 events", Usage: "how many wrote it"},
		&cli.StringFlag{Name: "corpus", Category: load, Usage: "take the events from this JSONL `FILE` instead, all or the first --events"},
		&cli.IntFlag{Name: "sample", Category: load, HideDefault: true, Usage: "take only so many, spread evenly over the --corpus, which may be larger than memory"},
		&cli.StringFlag{Name: "cache", Category: load, Usage: "`FOLDER` to keep generated corpora in; - keeps none", DefaultText: "moa-bench in the user's cache"},

		&cli.IntFlag{Name: "repeat", Category: output, Value: 1, Usage: "runs of each workload, for median and spread"},
		&cli.StringFlag{Name: "json", Category: output, Usage: "write all figures to this `FILE`, for moa bench diff"},
		&cli.StringFlag{Name: "html", Category: output, Usage: "write one page with charts to this `FILE`"},
		&cli.StringFlag{Name: "markdown", Category: output, Usage: "write tables for a README to this `FILE`"},
		&cli.BoolFlag{Name: "quiet", Category: output, Usage: "no progress on the terminal"},
	}
}
