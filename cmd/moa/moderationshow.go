package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/policy/moderation"
)

func runModerationList(ctx context.Context, cmd *cli.Command, d door) error {
	var now moderated
	if err := d.ask(ctx, http.MethodGet, "/moderation", nil, &now); err != nil {
		return err
	}
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		return terminal.PrintJSON(w, now.Cases)
	}
	if len(now.Cases) == 0 {
		fmt.Fprintln(w, "nobody is reported")
	}
	for _, c := range now.Cases {
		printCase(w, &c)
	}
	if len(now.Cases) > 0 {
		fmt.Fprintln(w, "\nmoa moderation show AUTHOR tells more; then dismiss AUTHOR, ban AUTHOR [--for 7d] [--hide] [--delete], hide EVENT, or delete EVENT.")
	}
	return nil
}

func printCase(w io.Writer, c *moderation.Case) {
	fmt.Fprintf(w, "%s\n    reported by %d, last %s: ", nip19.Npub(c.Author), c.People, c.Last.Format(time.RFC3339))
	for i, what := range slices.Sorted(maps.Keys(c.What)) {
		if i > 0 {
			fmt.Fprint(w, ", ")
		}
		fmt.Fprintf(w, "%s %d", what, c.What[what])
	}
	if n := len(c.Events); n > 0 {
		fmt.Fprintf(w, "; %s", terminal.Count(n, "event", "events"))
	}
	if c.Refused != nil {
		fmt.Fprintf(w, "; refused until %s", c.Refused.Format(time.RFC3339))
	}
	fmt.Fprintln(w)
}

func runModerationShow(ctx context.Context, cmd *cli.Command, d door) error {
	pk, err := authorArg(cmd)
	if err != nil {
		return err
	}
	var about reported
	if err := d.ask(ctx, http.MethodGet, "/moderation/"+pk.String(), nil, &about); err != nil {
		return err
	}
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		return terminal.PrintJSON(w, about)
	}
	if about.Decision != nil {
		printDecision(w, about.Decision)
	}
	if about.Case == nil {
		fmt.Fprintln(w, "nothing is open about this author")
	} else {
		printCase(w, about.Case)
	}
	if about.Reporter {
		fmt.Fprintln(w, "    a reporter: only you can have this author refused")
	}
	err = printEvents(w, "all reports", about.Reports, func(e *event.Event) string {
		trusted := "not a trusted reporter"
		if slices.Contains(about.Trusted, e.PubKey) {
			trusted = "a trusted reporter"
		}
		return fmt.Sprintf("%s, of %s, by %s, %s", moderation.What(e), made(e), nip19.Npub(e.PubKey), trusted)
	})
	if err != nil {
		return err
	}
	return printEvents(w, "what was reported", about.Events, func(e *event.Event) string {
		return fmt.Sprintf("kind %d of %s, by %s", e.Kind, made(e), nip19.Npub(e.PubKey))
	})
}

// printEvents prints events below a title, each with what head says of it.
func printEvents(w io.Writer, title string, events []json.RawMessage, head func(*event.Event) string) error {
	if len(events) > 0 {
		fmt.Fprintf(w, "\n%s:\n", title)
	}
	for _, raw := range events {
		e, err := event.Parse(raw)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "  %s %s\n    %s\n", e.ID, head(e), terminal.Line(e.Content))
	}
	return nil
}

// made says when an event was made.
func made(e *event.Event) string { return time.Unix(e.CreatedAt, 0).UTC().Format(time.RFC3339) }

func runDecisions(ctx context.Context, cmd *cli.Command, d door) error {
	var now moderated
	if err := d.ask(ctx, http.MethodGet, "/moderation", nil, &now); err != nil {
		return err
	}
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		return terminal.PrintJSON(w, now.Decisions)
	}
	if len(now.Decisions) == 0 {
		fmt.Fprintln(w, "nothing is decided")
	}
	for _, one := range now.Decisions {
		printDecision(w, &one)
	}
	return nil
}

func printDecision(w io.Writer, one *decision) {
	_, about := one.about()
	if one.Author != nil {
		about = nip19.Npub(*one.Author)
	}
	since := time.Unix(one.At, 0).UTC().Format(time.RFC3339)
	if one.At == 0 {
		since = strings.Repeat(" ", len(since))
	}
	fmt.Fprintf(w, "%s  %-7s  %s", since, one.Do, about)
	if one.Until > 0 {
		fmt.Fprintf(w, "  until %s", time.Unix(one.Until, 0).UTC().Format(time.RFC3339))
	}
	if one.Hidden {
		fmt.Fprint(w, "  hidden")
	}
	if one.Purge {
		fmt.Fprint(w, "  deleted")
	}
	if one.Note != "" {
		fmt.Fprintf(w, "  (%s)", terminal.Line(one.Note))
	}
	fmt.Fprintln(w)
}
