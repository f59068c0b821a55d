package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/store/badgerstore"
	"moa/store/state"
)

// foldState brings what SQLite has in files beside the database into it, as after a crash: a
// restore takes the database over alone if the backup has none.
func foldState(ctx context.Context, dir string) error {
	name := filepath.Join(dir, state.File)
	if _, err := os.Lstat(name + "-wal"); err != nil {
		return nil
	}
	st, err := state.Open(ctx, state.Options{Path: name})
	if err != nil {
		return err
	}
	return st.Close()
}

func runStoreRestore(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	w := cmd.Root().ErrWriter
	bar := terminal.NewSteps(w)
	r := badgerstore.Restoring{
		To: storeOptions(cfg, newLogger(w, "text", slog.LevelWarn)), Replace: cmd.Bool("replace"), Also: extras, Progress: bar.Set,
	}
	if err := mayHold(cfg.Data); err != nil {
		return err
	}
	if r.From = cmd.Args().First(); r.From == "-" {
		r.From, r.Stream = "", os.Stdin
		if terminal.Is(os.Stdin) {
			return usage.Errorf("a backup is expected on standard input: moa store restore - < backup.tar")
		}
	}
	if st, err := os.Stat(r.From); err == nil && !st.IsDir() {
		return usage.Errorf("%s is a file, and a backup is a folder or a stream: moa store restore - < %s", r.From, r.From)
	}
	if r.Replace {
		if err := foldState(ctx, cfg.Data); err != nil {
			return err
		}
	}
	done, err := badgerstore.Restore(ctx, r)
	bar.Finish()
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		return fmt.Errorf("%w; stop it first", err)
	case errors.Is(err, badgerstore.ErrExists):
		return usage.Errorf("%w; with --replace it is moved aside", err)
	case errors.Is(err, badgerstore.ErrBackup):
		return fmt.Errorf("%w; nothing was changed", err)
	case errors.Is(err, badgerstore.ErrIndex):
		return fmt.Errorf("%w; %s", err, againOrBackup)
	case err != nil:
		return err
	}
	fmt.Fprintf(w, "%10d %s as of %s in %s\n", done.Repair.Events, terminal.Form(done.Repair.Events, "event", "events"), done.Manifest.Taken.Format(time.RFC3339), cfg.Data)
	if done.Old != "" {
		fmt.Fprintf(w, "The store that was there is in %s; remove it when you are sure.\n", done.Old)
	}
	for _, name := range done.Kept {
		fmt.Fprintf(w, "%s is that of the store that was there: the backup has none.\n", name)
	}
	if len(done.Damaged) > 0 {
		return fmt.Errorf("the store is restored; %s damaged when the backup was taken, and lost: numbers %s", terminal.Count(len(done.Damaged), "event was", "events were"), serials(done.Damaged))
	}
	return nil
}
