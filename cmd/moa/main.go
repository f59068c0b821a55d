// Command moa is a Nostr relay and the tools around it. Each verb stands in the file of
// its name, such as storebackup.go for `moa store backup`; those of `moa bench` that are
// workloads are a table in benchworkloads.go. The other files are what several verbs
// share, or a part of serve: serve.go puts a relay together of its store, its policies
// and package relay. What needs no flags has a package under internal, or in policy.
package main

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"os"
	"slices"
	"strings"

	// urfave/cli, because its flags take their values from the environment too
	// and it brings no dependencies of its own; relay/docs/decisions has more.
	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/policy/conf"
)

func main() {
	if err := app().Run(context.Background(), os.Args); err != nil {
		fmt.Fprintln(os.Stderr, "moa:", terminal.Lines(err.Error()))
		os.Exit(usage.ExitCode(err))
	}
}

// app returns the command tree. Errors come back from its Run; nothing in it
// ends the process.
func app() *cli.Command {
	root := &cli.Command{
		Name:    "moa",
		Usage:   "a Nostr relay",
		Version: version().String(),
		Commands: []*cli.Command{
			serveCommand(),
			initCommand(),
			benchCommand(),
			importCommand(),
			exportCommand(),
			storeCommand(),
			policyCommand(),
			membersCommand(),
			moderationCommand(),
			adminCommand(),
			connectionsCommand(),
			configCommand(),
			checkConfigCommand(),
			healthcheckCommand(),
			versionCommand(),
		},
		EnableShellCompletion: true,
		Suggest:               true,
		// main prints the error, and says so once.
		ExitErrHandler: func(context.Context, *cli.Command, error) {},
	}
	hold(root)
	return root
}

// hold makes a command that only holds others show its help, or say that it has no
// command of the name that was typed; cli would look for a help topic of that name.
func hold(c *cli.Command) {
	for _, sub := range c.Commands {
		hold(sub)
	}
	runs := c.Action != nil
	c.OnUsageError = func(_ context.Context, cmd *cli.Command, err error, _ bool) error {
		return usage.Error{Err: flagError(cmd, err, runs)}
	}
	if runs {
		return
	}
	c.Action = func(_ context.Context, cmd *cli.Command) error {
		if name := cmd.Args().First(); name != "" {
			return usage.Errorf("there is no command %q%s; %s --help tells which there are", cmd.FullName()+" "+name, conf.DidYouMean(name, names(cmd.Commands)), cmd.FullName())
		}
		if cmd == cmd.Root() {
			return cli.ShowRootCommandHelp(cmd)
		}
		return cli.ShowSubcommandHelp(cmd)
	}
}

// names are what one can call the commands.
func names(list []*cli.Command) iter.Seq[string] {
	return func(yield func(string) bool) {
		for _, c := range list {
			if !c.Hidden && !yield(c.Name) {
				return
			}
		}
	}
}

// flagError says in one line which flag is wrong; runs is false for a command that only
// holds others.
func flagError(cmd *cli.Command, err error, runs bool) error {
	name, ok := strings.CutPrefix(err.Error(), "flag provided but not defined: -")
	if !ok {
		return err
	}
	name = strings.TrimLeft(name, "-")
	if len(name) == 1 { // to which all of one letter are as near
		return fmt.Errorf("there is no flag -%s; %s --help lists them", name, cmd.FullName())
	}
	name = "--" + name
	known := map[string]bool{}
	for _, f := range cmd.Flags {
		for _, n := range f.Names() {
			if len(n) > 1 { // one letter is near to every short name
				known["--"+n] = true
			}
		}
	}
	near := conf.DidYouMean(name, maps.Keys(known))
	if near == "" && !runs { // a command may be mistyped, or come behind its flags
		return fmt.Errorf("there is no flag %s of %s itself: it follows one of its commands, which are %s", name, cmd.FullName(), strings.Join(slices.Collect(names(cmd.Commands)), ", "))
	}
	return fmt.Errorf("there is no flag %s%s; %s --help lists them", name, near, cmd.FullName())
}
