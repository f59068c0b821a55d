package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/usage"
	"moa/policy/builtin"
)

func policyCommand() *cli.Command {
	return &cli.Command{
		Name:  "policy",
		Usage: "try policies before they bite, and see what there are",
		Commands: []*cli.Command{
			policyTestCommand(),
			policyExplainCommand(),
			{
				Name:  "list",
				Usage: "list the policies that a configuration can name",
				Action: func(_ context.Context, cmd *cli.Command) error {
					for _, name := range builtin.Names() {
						f, _ := builtin.Lookup(name)
						fmt.Fprintf(cmd.Root().Writer, "%-10s  %s\n", name, f.Summary)
					}
					return nil
				},
			},
			{
				Name:      "show",
				Usage:     "print a policy's table, every key documented, for the configuration file",
				ArgsUsage: "NAME",
				Action: func(_ context.Context, cmd *cli.Command) error {
					if cmd.NArg() != 1 {
						return usage.Errorf("name one policy: %s", strings.Join(builtin.Names(), ", "))
					}
					text, ok := builtin.Document(cmd.Args().First())
					if !ok {
						return usage.Errorf("there is no policy %q; there are %s", cmd.Args().First(), strings.Join(builtin.Names(), ", "))
					}
					_, err := fmt.Fprint(cmd.Root().Writer, text)
					return err
				},
			},
		},
	}
}
