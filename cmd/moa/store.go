package main

import (
	"context"
	"os"
	"os/signal"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
)

func storeCommand() *cli.Command {
	verb := func(name, help, args, description string, run func(ctx context.Context, cmd *cli.Command, cfg *config.Config) error, flags ...cli.Flag) *cli.Command {
		common := []cli.Flag{config.Flag(), &cli.StringFlag{Name: "data", Usage: "the folder of the store, `DIR`", Sources: cli.EnvVars("MOA_DATA")}}
		return &cli.Command{
			Name: name, Usage: help, ArgsUsage: args, Description: description, Flags: append(common, flags...),
			Action: func(ctx context.Context, cmd *cli.Command) error {
				if err := takes(cmd, args); err != nil {
					return err
				}
				cfg, faults, err := config.SourceOf(cmd).Read()
				if err == nil {
					err = config.Err(faults)
				}
				if err != nil {
					return err
				}
				ctx, stop := signal.NotifyContext(ctx, os.Interrupt)
				defer stop()
				return run(ctx, cmd, &cfg)
			},
		}
	}
	asJSON := &cli.BoolFlag{Name: "json", Usage: "print JSON"}
	return &cli.Command{
		Name:  "store",
		Usage: "back up, restore, count, check and repair the stored events",
		Commands: []*cli.Command{
			verb("backup", "write all that is stored to a folder, while the relay runs or not", "DIR",
				`Everything is in it, private events too, as it was at one point in time; and
state.db, which says who is banned. DIR appears once it is whole. With -
for DIR the backup is one stream on standard output (tar), for another machine:

   moa store backup - --data moa-data | ssh elsewhere 'cat > moa.tar'

A relay that runs is asked through its control socket, in the data folder; on the
disk of the store, the store of one that does not is not copied but linked.`,
				runStoreBackup, &cli.BoolFlag{Name: "with-key", Usage: "put the relay's own secret key in, too"}),
			verb("restore", "make a store of a backup", "BACKUP",
				`Checks every file and every event of the backup, makes a store of it beside --data,
and then puts it in its place. With - for BACKUP it comes as a stream from
standard input. If it is interrupted, run it again.`,
				runStoreRestore, &cli.BoolFlag{Name: "replace", Usage: "move the store that is there aside, to a name of its own"}),
			verb("check", "look for damage in a store, or in a backup", "",
				`Reads the whole store of a relay that does not run, and tells what does not fit
together; nothing is changed. --data may name a backup, too. The exit code is 0 if
nothing is wrong, and 1 otherwise.`,
				runStoreCheck, asJSON, &cli.BoolFlag{Name: "deep", Usage: "read every event as well, and compute its id"}),
			verb("stats", "count what is stored, by kind, author and day, while the relay runs or not", "",
				storeStatsHelp, runStoreStats, asJSON,
				&cli.IntFlag{Name: "top", Value: 15, Usage: "show the `N` largest kinds and authors"},
				&cli.IntFlag{Name: "days", Value: 14, Usage: "show the last `N` days that have events"}),
			verb("repair", "make the index of a store anew from its events", "",
				`For a store that the relay does not open because it is damaged. The events have
files of their own, and the index of them is made anew, with what follows from the
events: which versions count, what was deleted, who has vanished. The exit code is 0
if all events are whole, and 1 if some are lost: those are named.`,
				runStoreRepair, asJSON),
		},
	}
}
