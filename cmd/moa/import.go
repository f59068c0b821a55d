package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip62"
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
	in, err := openInput(path)
	if err != nil {
		return usage.Error{Err: err}
	}
	defer in.Close()
	var from checkpoint
	if resume {
		if from, err = readCheckpoint(path, in.Size); err != nil {
			return err
		}
		if err := in.skip(from); err != nil {
			return err
		}
	}
	from.Size = in.Size

	im := &importer{in: in}
	end, err := im.target(ctx, cmd)
	if err != nil {
		return err
	}
	defer end()
	bar := newProgress(cmd.Root().ErrWriter, "importing", in.Size)
	saved := time.Now()
	im.progress = func(c checkpoint) error {
		bar.set(in.Taken(), c.Tally.total()-from.Tally.total())
		if resume && time.Since(saved) >= time.Second {
			saved = time.Now()
			return c.write(path)
		}
		return nil
	}
	if im.rejects, err = createRejects(cmd.String("rejects"), resume); err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	began := time.Now()
	done, err := im.run(ctx, from)
	bar.finish()
	if errors.Is(err, store.ErrFull) {
		err = fmt.Errorf("%w: make room, or lower store.reserve_mib, and import again; what is stored already counts as duplicate", err)
	}
	err = errors.Join(err, im.rejects.finish())
	if err = report(cmd.Root().ErrWriter, path, resume, done, from, time.Since(began), err); err != nil {
		return err
	}
	return done.Tally.enough(int64(cmd.Int("expect")))
}

// enough is an error if nothing of the input is in the store, or less than was
// expected.
func (t *tally) enough(expected int64) error {
	switch there := t.Accepted + t.Duplicate; {
	case there < expected:
		return fmt.Errorf("%d events were taken or were there already; %d were expected", there, expected)
	case there == 0 && t.total() == 0:
		return errors.New("nothing was taken: the input is empty")
	case there == 0:
		return errors.New("nothing was taken, see above")
	}
	return nil
}

// report tells what became of the input, and keeps or removes the checkpoint.
func report(w io.Writer, path string, resume bool, done, from checkpoint, took time.Duration, err error) error {
	done.Tally.print(w)
	n := done.Tally.total() - from.Tally.total()
	fmt.Fprintf(w, "%10d lines in %v, %.0f a second\n", n, took.Round(10*time.Millisecond), float64(n)/took.Seconds())
	if resume {
		if err == nil {
			return removeCheckpoint(path)
		}
		if saving := done.write(path); saving != nil {
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

// importCacheMiB is what the store of an import may use at least. With it
// Badger writes the largest tables at once, and merges them less often.
const importCacheMiB = 320

// target readies the store, or the relay that --relay names. end ends what that
// began.
func (im *importer) target(ctx context.Context, cmd *cli.Command) (end func(), err error) {
	if url := cmd.String("relay"); url != "" {
		p, err := dialPublisher(ctx, url)
		if err != nil {
			return nil, err
		}
		im.admit = func(e *event.Event) (string, bool) { return admissible(e, time.Now().Unix()), false }
		im.store = p.publish
		return p.close, nil
	}
	s := config.SourceOf(cmd)
	cfg, chain, err := load(s, policy.Env{}, nil)
	if err != nil {
		return nil, err
	}
	if !cmd.Bool("no-verify") {
		if im.verify, err = sig.New(cfg.Process.Verifier); err != nil {
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
	im.limits = cfg.Limits
	im.into(st, chain, ours)
	return func() { st.Close() }, nil
}

// maxAhead is how far ahead an imported event may be dated before the report
// tells of it: as far as a relay takes it by default.
const maxAhead = 15 * time.Minute

// into sets the importer up to write a store of a relay whose URLs are ours.
func (im *importer) into(st store.Store, chain *policy.Chain, ours func(relayurl.Location) bool) {
	im.admit = func(e *event.Event) (string, bool) {
		if st.Has(e.ID) {
			return "", true
		}
		if r := admissible(e, time.Now().Unix()); r != "" {
			return r, false
		}
		if why := im.limits.Refuse(e); why != "" {
			return why, false
		}
		if e.Kind == event.KindVanish {
			if here, err := nip62.Addressed(e, ours); err != nil || !here {
				return "a request to vanish from another relay", false
			}
		}
		return refusal(chain.Early(context.Background(), author{e.PubKey}, e)), false
	}
	if chain != nil {
		im.late = func(e *event.Event) string {
			return refusal(chain.Late(context.Background(), author{e.PubKey}, e, policy.Decision{}))
		}
	}
	im.store = func(ctx context.Context, batch lot) (t tally, err error) {
		// What has been read is stored, also when ctx has just ended.
		results, err := st.Commit(context.WithoutCancel(ctx), time.Now().Unix(), batch.events)
		if err != nil {
			return t, err
		}
		ahead := time.Now().Add(maxAhead).Unix()
		for i, r := range results {
			t.count(r.Outcome, batch.lines[i], batch.events[i].Raw)
			if r.Outcome == store.Stored && batch.events[i].CreatedAt > ahead {
				t.Ahead++
			}
		}
		return t, nil
	}
}

// count counts what a store did with the event of a line.
func (t *tally) count(o store.Outcome, line int64, text []byte) {
	switch o {
	case store.Stored:
		t.Accepted++
		return
	case store.Duplicate:
		t.Duplicate++
		return
	}
	why, ok := map[store.Outcome]string{
		store.Stale: "a newer version was stored", store.Deleted: "deleted by its author", store.Vanished: "its author has vanished",
		store.Expired: "expired", store.TooLarge: "more tags than the store can index",
	}[o]
	if !ok {
		why = "unknown outcome"
	}
	t.reject(why, "", line, text)
}

// admissible says why no relay should store the event, or "".
func admissible(e *event.Event, now int64) string {
	switch {
	case event.Ephemeral(e.Kind):
		return "ephemeral"
	case e.Expiration != 0 && e.Expiration <= now:
		return "expired"
	}
	return ""
}

// refusal says why the policies do not want an event stored, or "".
func refusal(d policy.Decision) string {
	switch d.Action {
	case policy.Accept:
		return ""
	case policy.Reject:
		return "policy " + d.By + ": " + string(d.Reason)
	}
	return "policy " + d.By
}

// author is an event's author as the client that policies see in an import.
type author struct{ key event.PubKey }

func (author) ID() uint64               { return 0 }
func (author) IP() netip.Addr           { return netip.Addr{} }
func (author) Host() string             { return "" }
func (author) Path() string             { return "" }
func (a author) Authed() []event.PubKey { return []event.PubKey{a.key} }
