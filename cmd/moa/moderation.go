package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/policy/moderation"
)

func moderationCommand() *cli.Command {
	verb := func(name, help, args string, run func(ctx context.Context, cmd *cli.Command, d door) error, flags ...cli.Flag) *cli.Command {
		return &cli.Command{
			Name: name, Usage: help, ArgsUsage: args,
			Flags: slices.Concat([]cli.Flag{config.Flag(), &cli.StringFlag{Name: "data", Usage: "the folder of the relay's store, `DIR`", Sources: cli.EnvVars("MOA_DATA")}}, flags),
			Action: func(ctx context.Context, cmd *cli.Command) error {
				want := 0
				if args != "" {
					want = 1
				}
				if cmd.NArg() != want {
					return usage.Errorf("%s takes %d argument(s): %s", name, want, args)
				}
				cfg, _, err := config.SourceOf(cmd).Read()
				if err != nil {
					return err
				}
				return run(ctx, cmd, door{cfg.Data})
			},
		}
	}
	note := &cli.StringFlag{Name: "note", Usage: "`WHY`, for other operators"}
	asJSON := &cli.BoolFlag{Name: "json", Usage: "print JSON"}
	return &cli.Command{
		Name:  "moderation",
		Usage: "ban authors, hide events, and see what trusted people report",
		Description: `Works on the relay that runs on this machine with the same data folder, for the
user that runs it. Nothing has to be configured for bans; whose reports (kind 1984)
are listed, the policy "moderation" says.`,
		Commands: []*cli.Command{
			verb("list", "list reported authors, those with the most reporters first", "", runModerationList, asJSON),
			verb("show", "show the reports about an author, and the events they are about", "AUTHOR", runModerationShow, asJSON),
			verb("dismiss", "close what is reported about an author", "AUTHOR", runDismiss, note),
			verb("ban", "refuse an author's events", "AUTHOR", runBan, note,
				&cli.StringFlag{Name: "for", Usage: "for this `TIME`, such as 12h or 7d; otherwise for good"},
				&cli.BoolFlag{Name: "hide", Usage: "and show nobody what the author has written"},
				&cli.BoolFlag{Name: "delete", Usage: "and remove what the author has written from the store"}),
			verb("delete", "remove an event from the store, and refuse it if it comes again", "EVENT", runDelete, note),
			verb("hide", "show an event to nobody, until undone", "EVENT", runHide, note),
			verb("undo", "take back what is decided about an author or event", "AUTHOR|EVENT", runUndo, note),
			verb("decisions", "list the bans, hidden events and dismissals in force", "", runDecisions, asJSON),
		},
	}
}

// decide sends a decision and says what follows from it.
func decide(ctx context.Context, cmd *cli.Command, d door, one order, follows string) error {
	one.Note = cmd.String("note")
	var now moderated
	if err := d.ask(ctx, http.MethodPost, "/moderation", one, &now); err != nil {
		return err
	}
	if one.Do == moderation.Delete || one.Purge {
		follows += fmt.Sprintf("; %d events were removed", now.Removed)
	}
	if n := len(now.Cases); n > 0 && one.Do != moderation.Undo { // which has the reports read again first
		follows += fmt.Sprintf("; moa moderation list has %d reported author(s)", n)
	}
	fmt.Fprintln(cmd.Root().Writer, follows)
	return nil
}

func authorArg(cmd *cli.Command) (event.PubKey, error) {
	pk, err := nip19.ParsePubKey(cmd.Args().First())
	if err != nil {
		return pk, usage.Errorf("the author: %w", err)
	}
	return pk, nil
}

func runDismiss(ctx context.Context, cmd *cli.Command, d door) error {
	pk, err := authorArg(cmd)
	if err != nil {
		return err
	}
	return decide(ctx, cmd, d, order{Decision: moderation.Decision{Do: moderation.Dismiss, Author: &pk}}, "what was reported so far is closed")
}

func runBan(ctx context.Context, cmd *cli.Command, d door) error {
	pk, err := authorArg(cmd)
	if err != nil {
		return err
	}
	one := order{moderation.Decision{Do: moderation.Ban, Author: &pk, Hidden: cmd.Bool("hide")}, cmd.Bool("delete")}
	follows := "the author is banned for good"
	if text := cmd.String("for"); text != "" {
		span, err := parseSpan(text)
		if err != nil {
			return err
		}
		until := time.Now().Add(span)
		one.Until = until.Unix()
		follows = "the author is banned until " + until.UTC().Format(time.RFC3339)
	}
	if one.Hidden {
		follows += ", and what they have written is hidden"
	}
	return decide(ctx, cmd, d, one, follows)
}

func runHide(ctx context.Context, cmd *cli.Command, d door) error {
	return decideEvent(ctx, cmd, d, moderation.Hide, "the event is hidden, and refused if it comes again")
}

func runDelete(ctx context.Context, cmd *cli.Command, d door) error {
	return decideEvent(ctx, cmd, d, moderation.Delete, "the event is refused if it comes again")
}

func decideEvent(ctx context.Context, cmd *cli.Command, d door, do, follows string) error {
	id, err := event.ParseID(cmd.Args().First())
	if err != nil {
		return usage.Errorf("the event: %w", err)
	}
	return decide(ctx, cmd, d, order{Decision: moderation.Decision{Do: do, Event: &id}}, follows)
}

// runUndo finds out what the argument names: public keys and ids look alike.
func runUndo(ctx context.Context, cmd *cli.Command, d door) error {
	arg := cmd.Args().First()
	if pk, err := nip19.ParsePubKey(arg); err == nil {
		arg = pk.String()
	}
	var now moderated
	if err := d.ask(ctx, http.MethodGet, "/moderation", nil, &now); err != nil {
		return err
	}
	for _, one := range now.Decisions {
		if one.Author != nil && one.Author.String() == arg || one.Event != nil && one.Event.String() == arg {
			undo := order{Decision: moderation.Decision{Do: moderation.Undo, Author: one.Author, Event: one.Event}}
			return decide(ctx, cmd, d, undo, "undone: "+one.Do)
		}
	}
	return usage.Errorf("nothing is decided about %s", cmd.Args().First())
}

// parseSpan reads a time.Duration, or whole days.
func parseSpan(text string) (time.Duration, error) {
	span, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		var n int
		n, err = strconv.Atoi(days)
		span = time.Duration(n) * 24 * time.Hour
		if n > 36500 {
			span = 0
		}
	}
	if err != nil || span <= 0 {
		return 0, usage.Errorf(`--for: %q is not a time: want "12h" or "7d"`, text)
	}
	return span, nil
}

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
		fmt.Fprintf(w, "; %d events", n)
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
	if about.Case == nil {
		fmt.Fprintln(w, "nothing is open about this author")
	} else {
		printCase(w, about.Case)
	}
	for _, list := range []struct {
		title  string
		events []json.RawMessage
	}{{"reports, of whomever", about.Reports}, {"what was reported", about.Events}} {
		if len(list.events) > 0 {
			fmt.Fprintf(w, "\n%s:\n", list.title)
		}
		for _, raw := range list.events {
			e, err := event.Parse(raw)
			if err != nil {
				return err
			}
			fmt.Fprintf(w, "  %s kind %d of %s, by %s\n    %s\n", e.ID, e.Kind, time.Unix(e.CreatedAt, 0).UTC().Format(time.RFC3339), nip19.Npub(e.PubKey), terminal.Line(e.Content))
		}
	}
	return nil
}

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
		var about string
		if one.Author != nil {
			about = nip19.Npub(*one.Author)
		} else {
			about = one.Event.String()
		}
		fmt.Fprintf(w, "%s  %-7s  %s", time.Unix(one.At, 0).UTC().Format(time.RFC3339), one.Do, about)
		if one.Until > 0 {
			fmt.Fprintf(w, "  until %s", time.Unix(one.Until, 0).UTC().Format(time.RFC3339))
		}
		if one.Hidden {
			fmt.Fprint(w, "  hidden")
		}
		if one.Note != "" {
			fmt.Fprintf(w, "  (%s)", terminal.Line(one.Note))
		}
		fmt.Fprintln(w)
	}
	return nil
}
