package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/store/badgerstore"
)

func runStoreRepair(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	w := cmd.Root().ErrWriter
	if err := notBackup(cfg.Data); err != nil {
		return err
	}
	bar := terminal.NewSteps(w)
	r, err := badgerstore.Repair(ctx, storeOptions(cfg, newLogger(w, "text", slog.LevelWarn)), func(done, total uint64) {
		bar.Set("repairing", int64(done), int64(total))
	})
	bar.Finish()
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		return fmt.Errorf("%w; stop it first", err)
	case errors.Is(err, badgerstore.ErrIndex):
		return (&checked{Problems: []string{err.Error()}, Next: againOrBackup}).show(cmd, "")
	case err != nil:
		return storeError(cfg.Data, err)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, terminal.Line(note))
	}
	c := &checked{Events: r.Events}
	if r.Damaged > 0 {
		c.Problems = append(c.Problems, fmt.Sprintf("%s lost: numbers %s", terminal.Count(r.Damaged, "event is", "events are"), serials(r.Serials)))
		c.Next = "moa import them from a backup, if there is one; the relay can be started"
	}
	return c.show(cmd, "and the index is new")
}
