package main

import (
	"context"
	"fmt"
	"net/http"
	"net/netip"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/nip19"
)

func moderationCommand() *cli.Command {
	verb := func(name, help, args string, run func(ctx context.Context, cmd *cli.Command, d door) error, flags ...cli.Flag) *cli.Command {
		return &cli.Command{
			Name: name, Usage: help, ArgsUsage: args,
			Flags: slices.Concat([]cli.Flag{config.Flag(), &cli.StringFlag{Name: "data", Usage: "the folder of the relay's store, `DIR`", Sources: cli.EnvVars("MOA_DATA")}}, flags),
			Action: func(ctx context.Context, cmd *cli.Command) error {
				if err := takes(cmd, args); err != nil {
					return err
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
user that runs it; log also without a relay. Nothing has to be configured for bans;
whose reports (kind 1984) are listed, the policy "moderation" says; whose events wait
for approval, the policy "approval". AUTHOR is an npub,
an nprofile or hex, EVENT a note, a nevent or hex, ADDRESS an IP address or a network
such as 192.0.2.0/24.`,
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
			verb("block", "let no client at an address or network connect", "ADDRESS", runBlock, note),
			verb("undo", "take back what is decided about an author, event or address", "AUTHOR|EVENT|ADDRESS", runUndo, note),
			verb("waiting", "list the events that wait for approval, those that wait longest first", "", runWaiting, asJSON),
			verb("approve", "let in what a newcomer writes, and what of theirs waits", "AUTHOR|EVENT", runApprove, note),
			verb("decisions", "list the bans, hidden events, approvals and dismissals in force", "", runDecisions, asJSON),
			verb("log", "list what was changed, by whom and through which door, the newest first", "", runModerationLog, asJSON,
				&cli.StringFlag{Name: "author", Usage: "only what is about this `AUTHOR`"},
				&cli.StringFlag{Name: "event", Usage: "only what is about this `EVENT`"},
				&cli.Int64Flag{Name: "before", Usage: "only what is older than the `N`th change"},
				&cli.IntFlag{Name: "limit", Value: 50, Usage: "at most `N` changes"}),
		},
	}
}

// decide sends a decision and says what follows from it.
func decide(ctx context.Context, cmd *cli.Command, d door, one decision, follows string) error {
	one.Note = cmd.String("note")
	var now outcome
	if err := d.ask(ctx, http.MethodPost, "/moderation", one, &now); err != nil {
		return err
	}
	switch {
	case now.Unknown:
		follows = "no such event is stored; it is refused if it comes"
	case one.removes():
		follows += fmt.Sprintf("; %s removed", terminal.Count(now.Removed, "event was", "events were"))
	}
	if n := now.Cases; n > 0 && one.Do != doUndo { // which has the reports read again first
		follows += "; moa moderation list has " + terminal.Count(n, "reported author", "reported authors")
	}
	fmt.Fprintln(cmd.Root().Writer, follows)
	return nil
}

func runDismiss(ctx context.Context, cmd *cli.Command, d door) error {
	pk, err := authorArg(cmd)
	if err != nil {
		return err
	}
	return decide(ctx, cmd, d, decision{Do: doDismiss, Author: &pk}, "what was reported so far is closed")
}

func runBan(ctx context.Context, cmd *cli.Command, d door) error {
	pk, err := authorArg(cmd)
	if err != nil {
		return err
	}
	one := decision{Do: doBan, Author: &pk, Hidden: cmd.Bool("hide"), Purge: cmd.Bool("delete")}
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
	return decideEvent(ctx, cmd, d, doHide, "the event is hidden, and refused if it comes again")
}

func runDelete(ctx context.Context, cmd *cli.Command, d door) error {
	return decideEvent(ctx, cmd, d, doDelete, "the event is refused if it comes again")
}

func decideEvent(ctx context.Context, cmd *cli.Command, d door, do, follows string) error {
	id, err := nip19.ParseEventID(cmd.Args().First())
	if err != nil {
		return usage.Errorf("the event: %w", err)
	}
	return decide(ctx, cmd, d, decision{Do: do, Event: &id}, follows)
}

func runBlock(ctx context.Context, cmd *cli.Command, d door) error {
	p, err := parsePrefix(cmd.Args().First())
	if err != nil {
		return usage.Errorf("the address: %w", err)
	}
	return decide(ctx, cmd, d, decision{Do: doBlock, Address: &p}, "no client at "+p.String()+" can connect, and the connections from there have ended")
}

// parsePrefix reads an address or a network.
func parsePrefix(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return p, fmt.Errorf("%q is no IP address, and no network such as 192.0.2.0/24", text)
	}
	return p.Masked(), nil
}

// runUndo finds out what the argument names: public keys and ids look alike.
func runUndo(ctx context.Context, cmd *cli.Command, d door) error {
	arg := cmd.Args().First()
	if pk, err := nip19.ParsePubKey(arg); err == nil {
		arg = pk.String()
	} else if id, err := nip19.ParseEventID(arg); err == nil {
		arg = id.String()
	} else if p, err := parsePrefix(arg); err == nil {
		arg = p.String()
	}
	var now moderated
	if err := d.ask(ctx, http.MethodGet, "/moderation", nil, &now); err != nil {
		return err
	}
	for _, one := range now.Decisions {
		if _, name := one.about(); name == arg {
			undo := decision{Do: doUndo, Author: one.Author, Event: one.Event, Address: one.Address}
			follows := "undone: " + one.Do
			if one.removes() {
				follows += "; what it has removed from the store does not come back by itself"
			}
			return decide(ctx, cmd, d, undo, follows)
		}
	}
	return usage.Errorf("nothing is decided about %s", cmd.Args().First())
}
