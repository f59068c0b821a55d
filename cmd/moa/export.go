package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/outfile"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/transfer"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/policy"
)

func exportCommand() *cli.Command {
	return &cli.Command{
		Name:      "export",
		Usage:     "write the stored events as JSON lines",
		ArgsUsage: "[FILE]",
		Description: `Writes one event a line to FILE, or to standard output: newest first, those of
one second by ascending id. A name that ends in .gz or .zst asks for that
compression. FILE appears once it is whole; one that is there is replaced only with
--replace.

From the store of a relay that is not running, everything that has not expired,
private events too; with --relay from one that is, what it shows to a client that
has not authenticated; with --all everything from one that is, through its control
socket in the data folder. Events that are damaged on the disk are left out, which is an error.`,
		Flags: append(config.Flags(),
			&cli.StringFlag{Name: "relay", Usage: "read from the running relay at `URL`, ws://…"},
			&cli.BoolFlag{Name: "all", Usage: "read everything from the relay that runs on this machine with the same data folder"},
			&cli.StringFlag{Name: "filter", Usage: "only what this NIP-01 filter matches, as `JSON`; its limit counts"},
			&cli.BoolFlag{Name: "replace", Usage: "replace FILE if it is there"},
		),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
			defer stop()
			return runExport(ctx, cmd)
		},
	}
}

func runExport(ctx context.Context, cmd *cli.Command) (err error) {
	path, err := exportFile(cmd)
	if err != nil {
		return err
	}
	filter := new(event.Filter)
	if text := cmd.String("filter"); text != "" {
		if filter, err = event.ParseFilter([]byte(text)); err != nil {
			return usage.Errorf("--filter: %w", err)
		}
	}
	read, total, done, err := exportSource(ctx, cmd, filter)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, done()) }()
	out, err := transfer.Create(path)
	if err != nil {
		return err
	}
	defer out.Abandon()
	bar := terminal.NewProgress(cmd.Root().ErrWriter, "exporting", total)
	began := time.Now()
	var n int64
	err = read(func(raw []byte) error {
		n++
		if n%1000 == 0 {
			bar.Set(n, n)
		}
		if _, err := out.Write(raw); err != nil {
			return err
		}
		return out.WriteByte('\n')
	})
	bar.Finish()
	if err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		return err
	}
	took := time.Since(began)
	fmt.Fprintf(cmd.Root().ErrWriter, "%10d %s in %v, %.0f a second\n", n, terminal.Form(n, "event", "events"), took.Round(10*time.Millisecond), float64(n)/took.Seconds())
	return nil
}

// exportFile is the file to write, "-" for none.
func exportFile(cmd *cli.Command) (string, error) {
	path, err := oneFile(cmd)
	if err != nil || path == "-" || cmd.Bool("replace") {
		return path, err
	}
	replaces, err := outfile.Replaces(path)
	if replaces {
		err = usage.Errorf("%s is there already, and stays as it is: name a new file, or replace it with --replace", path)
	}
	return path, err
}

// exportSource returns what reads the events, about how many there are, 0 if
// that is not known, and what ends the reading: its error says what was left out.
func exportSource(ctx context.Context, cmd *cli.Command, filter *event.Filter) (read func(emit func([]byte) error) error, total int64, done func() error, err error) {
	if url := cmd.String("relay"); url != "" {
		if cmd.Bool("all") {
			return nil, 0, nil, usage.Errorf("--relay or --all, not both")
		}
		return func(emit func([]byte) error) error { return transfer.Fetch(ctx, url, *filter, emit) }, 0, func() error { return nil }, nil
	}
	cfg, _, err := load(config.SourceOf(cmd), policy.Env{}, nil)
	if err != nil {
		return nil, 0, nil, err
	}
	if cmd.Bool("all") {
		var left error
		read = func(emit func([]byte) error) (err error) {
			left, err = exportAll(ctx, cfg.Data, cmd.String("filter"), emit)
			return err
		}
		return read, 0, func() error { return left }, nil
	}
	st, err := openReading(&cfg, cmd.Root().ErrWriter)
	if err != nil {
		return nil, 0, nil, err
	}
	if cmd.String("filter") == "" {
		total = st.Stats().Events
	}
	scan := func(emit func([]byte) error) error { return transfer.Scan(ctx, st, filter, emit) }
	return scan, total, func() error { return errors.Join(leftOut(st.Damaged(), nil), st.Close()) }, nil
}

// exportAll reads everything that matches from the relay that runs with the data
// folder. left says what was left out.
func exportAll(ctx context.Context, data, filter string, emit func([]byte) error) (left, err error) {
	res, err := door{data}.open(ctx, http.MethodGet, "/export?filter="+url.QueryEscape(filter), nil)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	in := transfer.Lines(res.Body)
	for {
		line, err := in.NextLine()
		if errors.Is(err, io.EOF) {
			break
		}
		if err == nil {
			err = emit(line)
		}
		if err != nil {
			return nil, err
		}
	}
	return leftOut(strconv.Atoi(res.Trailer.Get(headDamaged))), nil
}
