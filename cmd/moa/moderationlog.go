package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/store/state"
)

// mostChanges are shown at a time.
const mostChanges = 1000

// runModerationLog reads the log where it is, whether a relay runs there or not.
func runModerationLog(ctx context.Context, cmd *cli.Command, d door) (err error) {
	subject, err := logSubject(cmd)
	if err != nil {
		return err
	}
	st, end, err := readState(ctx, d.data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	log := []state.Change{}
	if st != nil {
		rows, err := st.Changes(ctx, subject, cmd.Int64("before"), cmd.Int("limit"))
		if err != nil {
			return err
		}
		log = append(log, rows...)
	}
	w := terminal.Writer{Writer: cmd.Root().Writer}
	if cmd.Bool("json") {
		return terminal.PrintJSON(cmd.Root().Writer, log)
	}
	if len(log) == 0 {
		fmt.Fprintln(w, "nothing was changed")
		return nil
	}
	for _, c := range log {
		by := "the shell"
		if pk, err := event.ParsePubKey(c.By); err == nil {
			by = nip19.Npub(pk)
		}
		fmt.Fprintf(w, "%6d  %s  %-14s %s  by %s, %s", c.Nth, time.Unix(c.At, 0).UTC().Format(time.RFC3339), c.Verb, terminal.Line(c.Subject), by, terminal.Line(c.Door))
		if c.Why != "" {
			fmt.Fprintf(w, "  (%s)", terminal.Line(c.Why))
		}
		fmt.Fprintf(w, "\n        was %s, is %s\n", valueOf(c.Was), valueOf(c.Became))
	}
	if last := log[len(log)-1].Nth; len(log) == cmd.Int("limit") && last > 1 {
		fmt.Fprintf(w, "older ones: --before %d\n", last)
	}
	return nil
}

// valueOf is what the log has of a value.
func valueOf(json []byte) string {
	if len(json) == 0 || string(json) == "null" {
		return "nothing"
	}
	return string(json)
}

// logSubject is what the flags ask about, "" for everything.
func logSubject(cmd *cli.Command) (string, error) {
	author, id := cmd.String("author"), cmd.String("event")
	if n := cmd.Int("limit"); n < 1 || n > mostChanges {
		return "", usage.Errorf("--limit: %d is not from 1 to %d", n, mostChanges)
	}
	switch {
	case author != "" && id != "":
		return "", usage.Errorf("--author and --event exclude each other")
	case author != "":
		pk, err := nip19.ParsePubKey(author)
		if err != nil {
			return "", usage.Errorf("--author: %w", err)
		}
		return pk.String(), nil
	case id != "":
		parsed, err := nip19.ParseEventID(id)
		if err != nil {
			return "", usage.Errorf("--event: %w", err)
		}
		return parsed.String(), nil
	}
	return "", nil
}
