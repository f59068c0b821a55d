package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/nip19"
	"moa/relay/desk"
	"moa/store/badgerstore"
	"moa/store/census"
)

const storeStatsHelp = `Of a relay that runs, its control socket is asked: the relay reads all events with a
fifth of one processor at most, and at most once an hour; the first lines say when.
The store of a stopped relay is counted now.

Days are those of which the events say that they were made then (created_at, UTC).
Bytes are those of the events as JSON, without the keys that lead to them.`

func runStoreStats(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	top, days := cmd.Int("top"), cmd.Int("days")
	if top < 1 || days < 1 {
		return usage.Errorf("--top and --days want a number above 0")
	}
	bar := terminal.NewProgress(cmd.Root().ErrWriter, "counting", 0)
	r, err := countStopped(ctx, cmd, cfg, bar)
	if errors.Is(err, badgerstore.ErrLocked) {
		r, err = countRunning(ctx, door{cfg.Data}, bar)
	}
	bar.Finish()
	if err != nil {
		return err
	}
	if cmd.Bool("json") {
		return terminal.PrintJSON(cmd.Root().Writer, r)
	}
	return printStats(cmd.Root().Writer, r, top, days)
}

// countStopped counts the store of a relay that does not run.
func countStopped(ctx context.Context, cmd *cli.Command, cfg *config.Config, bar *terminal.Progress) (_ *census.Report, err error) {
	st, err := openReading(cfg, cmd.Root().ErrWriter)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	return census.Count(ctx, st, census.Options{Progress: func(n int64) { bar.Set(n, n) }})
}

// countRunning asks a relay that runs until it has counted.
func countRunning(ctx context.Context, d door, bar *terminal.Progress) (*census.Report, error) {
	for {
		var now desk.Counted
		if err := d.ask(ctx, http.MethodGet, "/stats", nil, &now); err != nil {
			return nil, err
		}
		switch {
		case now.Counting:
			bar.Set(now.SoFar, now.SoFar)
		case now.Fault != "":
			return nil, errors.New("the relay could not count: " + now.Fault)
		case now.Report == nil:
			return nil, errors.New("the relay is stopping")
		default:
			return now.Report, nil
		}
	}
}

func printStats(w io.Writer, r *census.Report, top, days int) error {
	fmt.Fprintf(w, "counted at %s\n%s, %s as JSON; %s on the disk\n",
		r.At.UTC().Format(time.RFC3339), terminal.Count(r.Events, "event", "events"), terminal.Bytes(r.Bytes), terminal.Bytes(r.Disk))
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	row := func(what string, a census.Amount) {
		fmt.Fprintf(t, "%s\t%d\t%s\n", what, a.Events, terminal.Bytes(a.Bytes))
	}
	head := func(what string) { fmt.Fprintf(t, "\n%s\tevents\tbytes\n", what) }
	head("made within")
	for _, g := range r.Growth {
		row(terminal.Count(g.Days, "day", "days"), g.Amount)
	}
	head("kind")
	var rest census.Amount
	for i, k := range r.Kinds {
		if i >= top {
			rest.Events, rest.Bytes = rest.Events+k.Events, rest.Bytes+k.Bytes
			continue
		}
		row(strconv.Itoa(int(k.Kind)), k.Amount)
	}
	if n := len(r.Kinds) - top; n > 0 {
		row(terminal.Count(n, "other", "others"), rest)
	}
	head("author")
	inexact := false
	for _, a := range r.Authors[:min(top, len(r.Authors))] {
		name := nip19.Npub(a.PubKey)
		if a.Missed > 0 {
			name, inexact = name+" *", true
		}
		row(name, a.Amount)
	}
	head("day")
	for _, d := range r.Days[:min(days, len(r.Days))] {
		row(d.Day, d.Amount)
	}
	if r.Later.Events > 0 {
		row("dated ahead", r.Later)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	more := ""
	if r.AuthorsMore {
		more = "more than "
	}
	fmt.Fprintf(w, "\n%s%s\n", more, terminal.Count(r.AuthorsSeen, "author", "authors"))
	if inexact {
		fmt.Fprintln(w, "* at least so much: there are more authors than are counted one by one; --json says by how much it may be more")
	}
	return nil
}
