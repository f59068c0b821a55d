package main

import (
	"context"
	_ "embed"
	"fmt"

	"github.com/urfave/cli/v3"

	"moa/policy/builtin"
)

//go:embed moa.toml
var sampleHead string

// sample is the documented configuration file with all defaults.
func sample() string { return sampleHead + builtin.Samples() }

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
