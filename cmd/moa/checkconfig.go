package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/usage"
	"moa/policy"
	"moa/policy/builtin"
)

func checkConfigCommand() *cli.Command {
	return &cli.Command{
		Name:      "check-config",
		Usage:     "tell all faults of a configuration, as the start of the relay would",
		ArgsUsage: "[FILE]",
		Description: "The flags and environment variables of serve are heeded too. " +
			"Without FILE, --config names it.",
		Flags: config.Flags(),
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.NArg() > 1 {
				return usage.Errorf("one file at a time")
			}
			s := config.SourceOf(cmd)
			if cmd.NArg() == 1 {
				s.File = cmd.Args().First()
			}
			c, chain, err := load(s, policy.Env{}, nil)
			if err != nil {
				return err
			}
			for _, line := range append(s.Warnings(&c), builtin.Warnings(chain)...) {
				fmt.Fprintln(cmd.Root().ErrWriter, "warning:", line)
			}
			said := "the configuration is good"
			if s.File == "" {
				said += "; no file was named, so it is that of flags, variables and defaults"
			}
			if _, err := os.Stat(c.Data); errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintf(cmd.Root().ErrWriter, "note: %s is not there yet: the first start makes a store in it\n", c.Data)
			}
			fmt.Fprintln(cmd.Root().Writer, said)
			return nil
		},
	}
}
