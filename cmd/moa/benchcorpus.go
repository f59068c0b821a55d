package main

import (
	"context"
	"errors"
	"io"
	"iter"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"moa/bench"
	"moa/bench/corpus"
	"moa/cmd/moa/internal/outfile"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
)

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
