package main

import (
	"context"
	"fmt"

	"github.com/urfave/cli/v3"

	"moa/policy"
)

func configCommand() *cli.Command {
	return &cli.Command{
		Name:  "config",
		Usage: "print a documented configuration file with all defaults",
		Action: func(_ context.Context, cmd *cli.Command) error {
			_, err := fmt.Fprint(cmd.Root().Writer, sample())
			return err
		},
	}
}

func checkConfigCommand() *cli.Command {
	return &cli.Command{
		Name:      "check-config",
		Usage:     "tell all faults of a configuration, as the start of the relay would",
		ArgsUsage: "[FILE]",
		Description: "The flags and environment variables of serve are heeded too. " +
			"Without FILE, --config names it.",
		Flags: configFlags(),
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.NArg() > 1 {
				return usagef("one file at a time")
			}
			s := sourceOf(cmd)
			if cmd.NArg() == 1 {
				s.file = cmd.Args().First()
			}
			c, _, err := s.load(policy.Env{}, nil)
			if err != nil {
				return err
			}
			for _, line := range s.warnings(&c) {
				fmt.Fprintln(cmd.Root().ErrWriter, "warning:", line)
			}
			fmt.Fprintln(cmd.Root().Writer, "the configuration is good")
			return nil
		},
	}
}
