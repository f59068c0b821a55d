package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/store"
	"moa/store/badgerstore"
	"moa/store/state"
)

func runStoreCheck(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	if _, err := os.Lstat(filepath.Join(cfg.Data, badgerstore.BackupManifest)); err == nil {
		return checkBackup(ctx, cmd, cfg.Data)
	}
	repair := "moa store repair --data " + cfg.Data
	st, err := openReading(cfg, cmd.Root().ErrWriter)
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		return fmt.Errorf("a relay is using the store in %s: stop it first; or take a backup while it runs (moa store backup DIR --data %s), and check that (moa store check --data DIR)", cfg.Data, cfg.Data)
	case errors.Is(err, store.ErrDamaged):
		return (&checked{Problems: []string{err.Error()}, Next: repair}).show(cmd, "")
	case err != nil:
		return err
	}
	defer st.Close()
	r, err := st.Check(ctx, cmd.Bool("deep"))
	if err != nil {
		return err
	}
	decided, err := stateProblems(ctx, cfg.Data)
	if err != nil {
		return err
	}
	if len(r.Problems) == 0 && len(decided) > 0 {
		repair = "restore a backup: " + state.File + " is not made of events"
	}
	return (&checked{Events: uint64(r.Events), Problems: append(r.Problems, decided...), More: r.More, Next: repair}).show(cmd, "nothing is wrong")
}

// stateProblems are what is wrong with the database of what is decided.
func stateProblems(ctx context.Context, dir string) (problems []string, err error) {
	if err := mayDecide(dir); err != nil {
		return nil, err
	}
	st, end, err := readState(ctx, dir)
	if err != nil {
		return []string{err.Error()}, nil
	}
	defer func() { err = errors.Join(err, end()) }()
	if st == nil {
		return nil, nil
	}
	problems, err = st.Check(ctx)
	for i, p := range problems {
		problems[i] = state.File + ": " + p
	}
	return problems, err
}

func checkBackup(ctx context.Context, cmd *cli.Command, dir string) error {
	bar := terminal.NewSteps(cmd.Root().ErrWriter)
	m, damaged, err := badgerstore.CheckBackup(ctx, dir, extras, func(done, total int64) { bar.Set("checking", done, total) })
	bar.Finish()
	c := &checked{Next: "take another backup, or restore an older one"}
	switch {
	case errors.Is(err, badgerstore.ErrBackup):
		c.Problems = append(c.Problems, err.Error())
	case err != nil:
		return err
	default:
		c.Events = m.Events
	}
	if len(damaged) > 0 {
		c.Problems = append(c.Problems, fmt.Sprintf("%s damaged when the backup was taken: numbers %s", terminal.Count(len(damaged), "event was", "events were"), serials(damaged)))
	}
	return c.show(cmd, "nothing is wrong with this backup")
}
