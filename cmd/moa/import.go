package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/relayurl"
	"moa/nips/sig"
	"moa/policy"
	"moa/store"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:      "import",
		Usage:     "store events from a file of JSON lines",
		ArgsUsage: "[FILE]",
		Description: `Reads one event a line from FILE, or from standard input; gzip and zstd are
recognised, and so are the messages that events came in (["EVENT",{…}]), JSON
arrays of events, and events over several lines. Into the store of a relay that
is not running, or with --relay through the socket of one that is.

Ids and signatures are checked, and the [limits] of the configuration for
events hold. Deletions and requests to vanish that the store knows, or that the
input has, hold. Policies are for clients and are not asked, so that an export
comes back whole; --policies asks them, as if each author sent the event.
Protected events (NIP-70) are taken, ephemeral ones and those that have expired
are not.

What is not taken is counted by its reason, with the first lines of each;
--rejects FILE writes all of it: line number, reason and line, with tabs between.
It is an error if nothing was taken, or less than --expect.

Importing twice is harmless: what is stored counts as a duplicate. With --resume
an import that was cut off goes on where it was: FILE.moa-checkpoint keeps the
place, and is removed at the end.`,
		Flags: append(config.Flags(),
			&cli.StringFlag{Name: "relay", Usage: "publish to the running relay at `URL`, ws://…"},
			&cli.BoolFlag{Name: "resume", Usage: "keep a checkpoint beside FILE, and go on from the one that is there"},
			&cli.IntFlag{Name: "expect", Usage: "fail if fewer than `N` events were taken or were there already"},
			&cli.StringFlag{Name: "rejects", Usage: "write what is not taken, and why, to `FILE`"},
			&cli.BoolFlag{Name: "no-verify", Usage: "trust the signatures in the input; ids are checked all the same"},
			&cli.BoolFlag{Name: "policies", Usage: "ask the policies of the configuration"},
		),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
			defer stop()
			// A second interrupt ends the process at once.
			context.AfterFunc(ctx, stop)
			return runImport(ctx, cmd)
		},
	}
}

func runImport(ctx context.Context, cmd *cli.Command) error {
	path, err := oneFile(cmd)
	if err != nil {
		return err
	}
	resume := cmd.Bool("resume")
	if resume && path == "-" {
		return usage.Errorf("--resume needs a file")
	}
	in, err := transfer.Open(path)
	if err != nil {
		return usage.Error{Err: err}
	}
	defer in.Close()
	var from transfer.Checkpoint
	if resume {
		if from, err = resumed(path, in); err != nil {
			return err
		}
	}
	from.Size = in.Size

	im := &transfer.Importer{In: in}
	var bar *terminal.Progress
	end, err := target(ctx, cmd, im, func(line string) { bar.Say(line) })
	if err != nil {
		return err
	}
	defer end()
	bar = terminal.NewProgress(cmd.Root().ErrWriter, "importing", in.Size)
	saved := time.Now()
	im.Progress = func(c transfer.Checkpoint) error {
		bar.Set(in.Taken(), c.Tally.Total()-from.Tally.Total())
		if resume && time.Since(saved) >= time.Second {
			saved = time.Now()
			return c.Write(path)
		}
		return nil
	}
	if im.Rejects, err = transfer.CreateRejects(cmd.String("rejects"), resume); err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	began := time.Now()
	done, err := im.Run(ctx, from)
	bar.Finish()
	if errors.Is(err, store.ErrFull) {
		err = fmt.Errorf("%w: make room, or lower store.reserve_mib, and import again; what is stored already counts as duplicate", err)
	}
	err = errors.Join(err, im.Rejects.Finish())
	if err = report(cmd.Root().ErrWriter, path, resume, done, from, time.Since(began), err); err != nil {
		return err
	}
	return enough(&done.Tally, int64(cmd.Int("expect")))
}

// resumed is where an import that was cut off goes on; the input begins there.
func resumed(path string, in *transfer.Input) (from transfer.Checkpoint, err error) {
	if from, err = transfer.ReadCheckpoint(path, in.Size); err == nil {
		err = in.Skip(from)
	}
	return from, err
}

// enough is an error if nothing of the input is in the store, or less than was
// expected.
func enough(t *transfer.Tally, expected int64) error {
	switch there := t.Accepted + t.Duplicate; {
	case there < expected:
		return fmt.Errorf("%s taken or there already; %d expected", terminal.Count(there, "event was", "events were"), expected)
	case there == 0 && t.Total() == 0:
		return errors.New("nothing was taken: the input is empty")
	case there == 0:
		return errors.New("nothing was taken, see above")
	}
	return nil
}

// report tells what became of the input, and keeps or removes the checkpoint.
func report(w io.Writer, path string, resume bool, done, from transfer.Checkpoint, took time.Duration, err error) error {
	done.Tally.Print(w)
	n := done.Tally.Total() - from.Tally.Total()
	fmt.Fprintf(w, "%10d lines in %v, %.0f a second\n", n, took.Round(10*time.Millisecond), float64(n)/took.Seconds())
	if resume {
		if err == nil {
			return transfer.RemoveCheckpoint(path)
		}
		if saving := done.Write(path); saving != nil {
			err = errors.Join(err, saving)
		}
	}
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("interrupted after line %d", done.Line)
	}
	return err
}

// oneFile is the command's file, "-" for none.
func oneFile(cmd *cli.Command) (string, error) {
	switch cmd.NArg() {
	case 0:
		return "-", nil
	case 1:
		return cmd.Args().First(), nil
	}
	return "", usage.Errorf("one file at a time")
}

// importCacheMiB is the least cache of the store of an import. With it
// Badger writes the largest tables at once, and merges them less often.
const importCacheMiB = 320

// sayWaiting is how often an import says that it waits for a relay's rate limits.
const sayWaiting = 10 * time.Second

// target readies the store, or the relay that --relay names. say tells the operator
// what holds up the import, once that has begun. end closes the target.
func target(ctx context.Context, cmd *cli.Command, im *transfer.Importer, say func(line string)) (end func(), err error) {
	if url := cmd.String("relay"); url != "" {
		p, err := transfer.Dial(ctx, url)
		if err != nil {
			return nil, err
		}
		var said time.Time
		p.Waiting = func(events int) {
			if time.Since(said) >= sayWaiting {
				said = time.Now()
				say(fmt.Sprintf("the relay says rate-limited: %s and will be sent again", terminal.Count(events, "event waits", "events wait")))
			}
		}
		im.Admit = func(e *event.Event) (string, bool) { return transfer.Admissible(e, time.Now().Unix()), false }
		im.Store = p.Publish
		return p.Close, nil
	}
	s := config.SourceOf(cmd)
	cfg, chain, err := load(s, policy.Env{}, nil)
	if err != nil {
		return nil, err
	}
	if !cmd.Bool("no-verify") {
		if im.Verify, err = sig.New(cfg.Process.Verifier); err != nil {
			return nil, err
		}
	}
	cfg.Store.CacheMiB = max(cfg.Store.CacheMiB, importCacheMiB)
	st, err := openStore(&cfg, nil, nil)
	if err != nil {
		return nil, err
	}
	here, err := relayurl.Parse(cfg.URL)
	known, addresses := err == nil, chain
	ours := func(l relayurl.Location) bool { return known && addresses.Own(here, l) }
	if !cmd.Bool("policies") {
		chain = nil
	}
	im.Limits = cfg.Limits
	im.Into(st, chain, ours)
	return func() { st.Close() }, nil
}
