package main

import (
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip19"
)

// takes returns an error if the command was not given its arguments: words, or none.
func takes(cmd *cli.Command, args string) error {
	want := strings.Fields(args)
	switch {
	case cmd.NArg() == len(want):
		return nil
	case len(want) == 0:
		return usage.Errorf("%s takes no arguments", cmd.FullName())
	}
	return usage.Errorf("%s takes %s: %s", cmd.FullName(), terminal.Count(len(want), "argument", "arguments"), args)
}

func authorArg(cmd *cli.Command) (event.PubKey, error) {
	pk, err := nip19.ParsePubKey(cmd.Args().First())
	if err != nil {
		return pk, usage.Errorf("the author: %w", err)
	}
	return pk, nil
}

func memberArg(cmd *cli.Command) (event.PubKey, error) {
	pk, err := nip19.ParsePubKey(cmd.Args().First())
	if err != nil {
		return pk, usage.Errorf("the member: %w", err)
	}
	return pk, nil
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
