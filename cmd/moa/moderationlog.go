package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
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

func runModerationLog(ctx context.Context, cmd *cli.Command, d door) error {
	query, err := logQuery(cmd)
	if err != nil {
		return err
	}
	var log []state.Change
	if err := d.ask(ctx, http.MethodGet, "/changes?"+query.Encode(), nil, &log); err != nil {
		return err
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

// logQuery is what the flags ask for.
func logQuery(cmd *cli.Command) (url.Values, error) {
	query := url.Values{}
	author, id := cmd.String("author"), cmd.String("event")
	switch {
	case author != "" && id != "":
		return nil, usage.Errorf("--author and --event exclude each other")
	case author != "":
		pk, err := nip19.ParsePubKey(author)
		if err != nil {
			return nil, usage.Errorf("--author: %w", err)
		}
		query.Set("subject", pk.String())
	case id != "":
		parsed, err := nip19.ParseEventID(id)
		if err != nil {
			return nil, usage.Errorf("--event: %w", err)
		}
		query.Set("subject", parsed.String())
	}
	if n := cmd.Int("limit"); n < 1 || n > mostChanges {
		return nil, usage.Errorf("--limit: %d is not from 1 to %d", n, mostChanges)
	}
	query.Set("limit", strconv.Itoa(cmd.Int("limit")))
	query.Set("before", strconv.FormatInt(cmd.Int64("before"), 10))
	return query, nil
}

// serveChanges answers with rows of the audit log, the newest first.
func (c *controller) serveChanges(w http.ResponseWriter, r *http.Request) {
	before, err := strconv.ParseInt(r.FormValue("before"), 10, 64)
	if err != nil {
		http.Error(w, "before: "+err.Error(), http.StatusBadRequest)
		return
	}
	limit, err := strconv.Atoi(r.FormValue("limit"))
	if err != nil || limit < 1 || limit > mostChanges {
		http.Error(w, fmt.Sprintf("limit is not from 1 to %d", mostChanges), http.StatusBadRequest)
		return
	}
	log, err := c.desk.State().Changes(r.Context(), r.FormValue("subject"), before, limit)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	answerJSON(w, append([]state.Change{}, log...))
}
