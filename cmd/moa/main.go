// Command moa is a Nostr relay and the tools around it. Each verb stands in a
// file of its own; serve.go is the only one that knows every package.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	// urfave/cli, because its flags take their values from the environment too
	// and it brings no dependencies of its own; relay/docs/decisions has more.
	"github.com/urfave/cli/v3"
)

func main() {
	if err := app().Run(context.Background(), os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "moa:", err)
		os.Exit(exitCode(err))
	}
}

// app returns the command tree. Errors come back from its Run; nothing in it
// ends the process.
func app() *cli.Command {
	return &cli.Command{
		Name:    "moa",
		Usage:   "a Nostr relay",
		Version: version().String(),
		Commands: []*cli.Command{
			versionCommand(),
		},
		EnableShellCompletion: true,
		Suggest:               true,
		// main prints the error, and says so once.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
}

// exitCode is 2 for a command line or a configuration that cannot be used,
// 1 for everything else that goes wrong.
func exitCode(err error) int {
	if errors.Is(err, errUsage) {
		return 2
	}
	return 1
}

// errUsage marks an error that the person who typed the command can mend.
var errUsage = errors.New("usage")
