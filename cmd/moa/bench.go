package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v3"

	"moa/bench"
	"moa/bench/corpus"
	benchreport "moa/bench/report"
	"moa/cmd/moa/internal/outfile"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
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

// interruptible ends the context at the first Ctrl-C; the second one ends the
// program.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, stop := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop)
	return ctx, stop
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

// benchCorpus generates the events, or reads them.
func benchCorpus(cmd *cli.Command) (made *corpus.Corpus, source string, err error) {
	if file := cmd.String("corpus"); file != "" {
		switch {
		case cmd.IsSet("events") && cmd.IsSet("sample"):
			return nil, "", usage.Errorf("give --events or --sample, not both")
		case cmd.IsSet("sample"):
			made, err = corpus.SampleFile(file, cmd.Int("sample"))
		case cmd.IsSet("events"):
			made, err = corpus.ReadFile(file, cmd.Int("events"))
		default:
			made, err = corpus.ReadFile(file, 0)
		}
		if err == nil && len(made.Events) == 0 {
			err = usage.Errorf("%s holds no events", file)
		}
		source = filepath.Base(file)
		if cmd.IsSet("sample") {
			source = "sampled from " + source
		}
		return made, source, err
	}
	config, err := generated(cmd)
	if err != nil {
		return nil, "", err
	}
	dir := cmd.String("cache")
	switch dir {
	case "-":
		dir = ""
	case "":
		if user, err := os.UserCacheDir(); err == nil {
			dir = filepath.Join(user, "moa-bench")
		}
	}
	made, err = corpus.Cached(dir, config)
	return made, bench.Generated, err
}

// generated is the corpus that the flags describe.
func generated(cmd *cli.Command) (corpus.Config, error) {
	if cmd.Int("events") < 1 {
		return corpus.Config{}, usage.Errorf("--events must be 1 or more")
	}
	return corpus.Config{
		Seed: cmd.Uint64("seed"), Events: cmd.Int("events"), Authors: cmd.Int("authors"),
		// Old enough for every event to be in the past, and the same all day.
		Base: time.Now().UTC().Truncate(24 * time.Hour).Unix(), Span: 30 * 24 * time.Hour,
	}, nil
}

var errFaults = errors.New("the relay made faults, see above")

// benchCorpusCommand writes the corpus, to fill a relay by other means.
func benchCorpusCommand() *cli.Command {
	return &cli.Command{
		Name:      "corpus",
		Usage:     "write the corpus as JSONL to a file, or to the terminal",
		ArgsUsage: "[FILE]",
		Description: `The same events that the other commands make of these flags, one JSON object a line, to fill a relay by other means:

   moa bench corpus --events 1000000 big.jsonl && moa import big.jsonl
   moa bench query --prefilled --corpus big.jsonl --sample 100000 ws://127.0.0.1:7447

Any size will do: 10 million events are 12 GB on disk and take less than 1 GB of memory and some minutes. All corpora
span the same 30 days, so a larger one is a busier relay, not an older one.`,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			config, err := generated(cmd)
			if err != nil {
				return err
			}
			ctx, stop := interruptible(ctx)
			defer stop()
			status := newStatus(cmd)
			defer status.clear()
			write := func(w io.Writer) error { return corpus.Write(w, counted(ctx, status, config)) }
			if cmd.Args().Len() == 0 {
				err = write(cmd.Root().Writer)
			} else {
				err = outfile.Write(cmd.Args().First(), write)
			}
			if err == nil && ctx.Err() != nil {
				err = errors.New("interrupted: the corpus is not whole")
			}
			return err
		},
	}
}

// counted streams the events until ctx ends, and shows how far it is.
func counted(ctx context.Context, s *status, config corpus.Config) iter.Seq[*event.Event] {
	return func(yield func(*event.Event) bool) {
		n, start, shown := 0, time.Now(), time.Now()
		for e := range corpus.Stream(config) {
			if ctx.Err() != nil || !yield(e) {
				return
			}
			if n++; n%4096 == 0 && time.Since(shown) > time.Second {
				shown = time.Now()
				s.count("corpus", n, config.Events, time.Since(start))
			}
		}
	}
}
