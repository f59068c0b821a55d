package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip19"
)

func runWaiting(ctx context.Context, cmd *cli.Command, d door) error {
	var list []waits
	if err := d.ask(ctx, http.MethodGet, "/moderation/waiting", nil, &list); err != nil {
		return err
	}
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		return terminal.PrintJSON(w, list)
	}
	if len(list) == 0 {
		fmt.Fprintln(w, "nothing waits for approval")
		return nil
	}
	for _, one := range list {
		e, err := event.Parse(one.Event)
		if err != nil {
			return err
		}
		fmt.Fprintf(w, "%s kind %d of %s, by %s, waits until %s\n    %s\n", e.ID, e.Kind, made(e), nip19.Npub(e.PubKey),
			time.Unix(one.Until, 0).UTC().Format(time.RFC3339), terminal.Line(e.Content))
	}
	fmt.Fprintln(w, "\nthen approve AUTHOR or EVENT, which lets in all that this author writes; delete EVENT; or ban AUTHOR.")
	return nil
}

// runApprove finds out what a hex argument names: an event that waits, or else an author.
func runApprove(ctx context.Context, cmd *cli.Command, d door) error {
	arg := cmd.Args().First()
	one, follows := decision{Do: doApprove}, "the author is approved, and what of theirs waited is stored"
	if id, err := nip19.ParseEventID(arg); err == nil {
		var list []waits
		if err := d.ask(ctx, http.MethodGet, "/moderation/waiting", nil, &list); err != nil {
			return err
		}
		if slices.ContainsFunc(list, func(one waits) bool {
			e, err := event.Parse(one.Event)
			return err == nil && e.ID == id
		}) {
			one.Event = &id
			return decide(ctx, cmd, d, one, follows)
		}
	}
	pk, err := nip19.ParsePubKey(arg)
	if err != nil {
		return usage.Errorf("%q is no event that waits for approval, and no author", arg)
	}
	one.Author = &pk
	return decide(ctx, cmd, d, one, follows)
}
