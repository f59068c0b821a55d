package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/store"
	"moa/store/badgerstore"
)

// checked is what store check and store repair have found.
type checked struct {
	OK       bool     `json:"ok"`
	Events   uint64   `json:"events"`
	Problems []string `json:"problems"`
	More     int      `json:"more,omitempty"` // problems beyond those
	Next     string   `json:"next,omitempty"` // step
}

var errProblems = errors.New("something is wrong, see above")

// show prints what was found.
func (c *checked) show(cmd *cli.Command, fine string) error {
	c.OK = len(c.Problems) == 0
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		if c.Problems == nil {
			c.Problems = []string{}
		}
		if err := terminal.PrintJSON(w, c); err != nil {
			return err
		}
	} else {
		for _, p := range c.Problems {
			fmt.Fprintln(w, terminal.Line(p))
		}
		if c.More > 0 {
			fmt.Fprintf(w, "... and %d more problems\n", c.More)
		}
		if c.OK {
			fmt.Fprintf(w, "%d events, %s\n", c.Events, fine)
		} else if c.Next != "" {
			fmt.Fprintf(w, "Next: %s\n", c.Next)
		}
	}
	if !c.OK {
		return errProblems
	}
	return nil
}

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
	return (&checked{Events: uint64(r.Events), Problems: r.Problems, More: r.More, Next: repair}).show(cmd, "nothing is wrong")
}

func checkBackup(ctx context.Context, cmd *cli.Command, dir string) error {
	bar := newBytesProgress(cmd.Root().ErrWriter)
	m, damaged, err := badgerstore.CheckBackup(ctx, dir, extras, func(done, total int64) { bar.set("checking", done, total) })
	bar.finish()
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
		c.Problems = append(c.Problems, fmt.Sprintf("%d events were damaged when the backup was taken: numbers %s", len(damaged), serials(damaged)))
	}
	return c.show(cmd, "nothing is wrong with this backup")
}

func runStoreRepair(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	w := cmd.Root().ErrWriter
	if err := notBackup(cfg.Data); err != nil {
		return err
	}
	bar := newBytesProgress(w)
	r, err := badgerstore.Repair(ctx, storeOptions(cfg, newLogger(w, cfg.Log.Format, slog.LevelWarn)), func(done, total uint64) {
		bar.set("repairing", int64(done), int64(total))
	})
	bar.finish()
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		return fmt.Errorf("%w; stop it first", err)
	case err != nil:
		return storeError(cfg.Data, err)
	}
	for _, note := range r.Notes {
		fmt.Fprintln(w, terminal.Line(note))
	}
	c := &checked{Events: r.Events}
	if r.Damaged > 0 {
		c.Problems = append(c.Problems, fmt.Sprintf("%d events are lost: numbers %s", r.Damaged, serials(r.Serials)))
		c.Next = "moa import them from a backup, if there is one; the relay can be started"
	}
	return c.show(cmd, "and the index is new")
}
