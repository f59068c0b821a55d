package main

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/store/badgerstore"
)

func runStoreBackup(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	to := backupTo{cfg: cfg, cmd: cmd, key: cmd.Bool("with-key"), dir: cmd.Args().First()}
	if to.dir == "-" {
		if terminal.Is(os.Stdout) {
			return usage.Errorf("a backup is no text: send standard output to a file or another program")
		}
		return to.run(ctx)
	}
	if files, err := os.ReadDir(to.dir); err == nil && len(files) > 0 {
		return usage.Errorf("%s is there already, and stays as it is: name a new folder for the backup", to.dir)
	}
	var err error
	if to.stage, err = badgerstore.Stage(to.dir, ".part"); err != nil {
		return err
	}
	defer to.stage.Abandon()
	return to.run(ctx)
}

// backupTo is where a backup goes.
type backupTo struct {
	cfg   *config.Config
	cmd   *cli.Command
	key   bool
	dir   string
	stage *badgerstore.Staged // nil: standard output
}

func (to *backupTo) run(ctx context.Context) error {
	began := time.Now()
	bar := terminal.NewSteps(to.cmd.Root().ErrWriter)
	st, err := openReading(to.cfg, to.cmd.Root().ErrWriter)
	var done backedUp
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		done, err = to.fromRelay(ctx, bar)
	case err == nil:
		done, err = to.fromStore(ctx, st, bar)
		err = errors.Join(err, st.Close())
	}
	bar.Finish()
	if err != nil {
		return err
	}
	fmt.Fprintf(to.cmd.Root().ErrWriter, "%10d %s as of %s in %v\n", done.events, terminal.Form(done.events, "event", "events"), done.taken.Format(time.RFC3339), time.Since(began).Round(10*time.Millisecond))
	if done.noted != nil {
		fmt.Fprintf(to.cmd.Root().ErrWriter, "warning: moa_store_backup_timestamp_seconds does not know of this backup: %v\n", done.noted)
	}
	if len(done.damaged) > 0 {
		return fmt.Errorf("the backup is done, and %s damaged, as in the store: numbers %s", terminal.Count(len(done.damaged), "event in it is", "events in it are"), serials(done.damaged))
	}
	return nil
}

// backedUp is what a backup has.
type backedUp struct {
	events  uint64
	taken   time.Time
	damaged []uint64
	noted   error // nil: the metric knows of it
}

// fromStore backs up a store that is not in use.
func (to *backupTo) fromStore(ctx context.Context, st *badgerstore.Store, bar *terminal.Steps) (done backedUp, err error) {
	decided, err := copyDecided(ctx, to.cfg.Data)
	if err != nil {
		return done, err
	}
	defer decided.Close() // also of nil
	b, err := st.Backup()
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := addExtras(b, to.cfg, decided, to.key); err != nil {
		return done, err
	}
	done.events, done.taken = b.Events, b.Taken
	progress := func(n, total int64) { bar.Set("backing up", n, total) }
	if to.stage != nil {
		done.damaged, err = b.Write(ctx, to.stage, progress)
	} else {
		done.damaged, err = b.WriteStream(ctx, os.Stdout, progress)
	}
	if err == nil {
		done.noted, err = to.placed(func() error { return noteBackup(to.cfg.Data, done.taken) })
	}
	return done, err
}

// copyDecided copies what is decided, of a relay that does not run; nil: nothing is.
func copyDecided(ctx context.Context, dir string) (f *os.File, err error) {
	st, end, err := readState(ctx, dir)
	if err != nil || st == nil {
		return nil, err
	}
	f, err = st.Copy(ctx)
	return f, errors.Join(err, end())
}

// placed gives a backup that is whole its name, and has its time noted. noted says why
// that could not be, which makes the backup no worse.
func (to *backupTo) placed(note func() error) (noted, err error) {
	if to.stage != nil {
		if err := to.stage.Place(""); err != nil {
			return nil, err
		}
	}
	return note(), nil
}

// fromRelay backs up the store of a relay that runs.
func (to *backupTo) fromRelay(ctx context.Context, bar *terminal.Steps) (done backedUp, err error) {
	path := "/backup"
	if to.key {
		path += "?key=1"
	}
	res, err := door{to.cfg.Data}.open(ctx, http.MethodPost, path, nil)
	if err != nil {
		return done, err
	}
	defer res.Body.Close()
	total, _ := strconv.ParseInt(res.Header.Get(headBytes), 10, 64)
	done.events, _ = strconv.ParseUint(res.Header.Get(headEvents), 10, 64)
	if done.taken, err = time.Parse(time.RFC3339, res.Header.Get(headTaken)); err != nil {
		return done, fmt.Errorf("the relay's answer: %w", err)
	}
	if to.stage == nil {
		err = passStream(os.Stdout, res.Body)
	} else {
		var n int64
		_, err = to.stage.Receive(ctx, res.Body, extras, func(more int64) { n += more; bar.Set("backing up", n, total) })
	}
	if err != nil {
		return done, err
	}
	for text := range strings.SplitSeq(res.Trailer.Get(headDamaged), ",") {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil {
			done.damaged = append(done.damaged, n)
		}
	}
	done.noted, err = to.placed(func() error {
		return door{to.cfg.Data}.ask(ctx, http.MethodPost, "/backup/done", done.taken, nil)
	})
	return done, err
}

// passStream copies a backup, which must end as one does.
func passStream(w io.Writer, r io.Reader) error {
	both := io.TeeReader(r, w)
	last := ""
	for t := tar.NewReader(both); ; {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		last = h.Name
	}
	if last != badgerstore.BackupManifest {
		return errors.New("the relay's answer is cut off")
	}
	_, err := io.Copy(io.Discard, both)
	return err
}
