package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/policy/builtin"
	"moa/store/badgerstore"
)

func storeCommand() *cli.Command {
	verb := func(name, help, args, description string, run func(ctx context.Context, cmd *cli.Command, cfg *config.Config) error, flags ...cli.Flag) *cli.Command {
		common := []cli.Flag{config.Flag(), &cli.StringFlag{Name: "data", Usage: "the folder of the store, `DIR`", Sources: cli.EnvVars("MOA_DATA")}}
		return &cli.Command{
			Name: name, Usage: help, ArgsUsage: args, Description: description, Flags: append(common, flags...),
			Action: func(ctx context.Context, cmd *cli.Command) error {
				want := len(strings.Fields(args))
				if cmd.NArg() != want {
					return usage.Errorf("store %s takes %d argument(s) %s", name, want, args)
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
		Usage: "back up, restore, check and repair the stored events",
		Commands: []*cli.Command{
			verb("backup", "write all that is stored to a folder, while the relay runs or not", "DIR",
				`Everything is in it, private events too, as it was at one point in time; and
moderation.jsonl, which says who is banned. DIR appears once it is whole. With -
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
			verb("repair", "make the index of a store anew from its events", "",
				`For a store that the relay does not open because it is damaged. The events have
files of their own, and the index of them is made anew, with what follows from the
events: which versions count, what was deleted, who has vanished. The exit code is 0
if all events are whole, and 1 if some are lost: those are named.`,
				runStoreRepair, asJSON),
		},
	}
}

// extras are the files of the data folder that are not the store's own, and belong
// in a backup.
var extras = []string{builtin.ModerationFile, config.KeyFile}

// addExtras puts them into a backup.
func addExtras(b *badgerstore.Backup, cfg *config.Config, withKey bool) error {
	files := map[string]string{builtin.ModerationFile: filepath.Join(cfg.Data, builtin.ModerationFile)}
	if withKey {
		if cfg.SelfKey != "" {
			return usage.Errorf("--with-key: the key is in the configuration (self.key), not in a file")
		}
		files[config.KeyFile] = cfg.SelfKeyFile
		if cfg.SelfKeyFile == "" {
			files[config.KeyFile] = filepath.Join(cfg.Data, config.KeyFile)
		}
	}
	for _, name := range extras {
		text, err := os.ReadFile(files[name])
		switch {
		case files[name] == "" || name != config.KeyFile && errors.Is(err, os.ErrNotExist):
			continue
		case err != nil:
			return fmt.Errorf("--with-key: %w", err)
		}
		b.Add(name, text)
	}
	return nil
}

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
	bar := newBytesProgress(to.cmd.Root().ErrWriter)
	st, err := openReading(to.cfg, to.cmd.Root().ErrWriter)
	var done backedUp
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		done, err = to.fromRelay(ctx, bar)
	case err == nil:
		done, err = to.fromStore(ctx, st, bar)
		err = errors.Join(err, st.Close())
	}
	bar.finish()
	if err == nil && to.stage != nil {
		err = to.stage.Place("")
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(to.cmd.Root().ErrWriter, "%10d events as of %s in %v\n", done.events, done.taken.Format(time.RFC3339), time.Since(began).Round(10*time.Millisecond))
	if len(done.damaged) > 0 {
		return fmt.Errorf("the backup is done, and %d events in it are damaged, as they are in the store: numbers %s", len(done.damaged), serials(done.damaged))
	}
	return nil
}

// backedUp is what a backup has.
type backedUp struct {
	events  uint64
	taken   time.Time
	damaged []uint64
}

// fromStore backs up a store that is not in use.
func (to *backupTo) fromStore(ctx context.Context, st *badgerstore.Store, bar *bytesProgress) (done backedUp, err error) {
	b, err := st.Backup()
	if err != nil {
		return done, err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	if err := addExtras(b, to.cfg, to.key); err != nil {
		return done, err
	}
	done.events, done.taken = b.Events, b.Taken
	progress := func(n, total int64) { bar.set("backing up", n, total) }
	if to.stage != nil {
		done.damaged, err = b.Write(ctx, to.stage, progress)
		return done, err
	}
	done.damaged, err = b.WriteStream(ctx, os.Stdout, progress)
	return done, err
}

// serials lists numbers of events, the first few.
func serials(list []uint64) string {
	const most = 10
	var b strings.Builder
	for i, n := range list[:min(len(list), most)] {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatUint(n, 10))
	}
	if len(list) > most {
		b.WriteString(", …")
	}
	return b.String()
}

func runStoreRestore(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	w := cmd.Root().ErrWriter
	bar := newBytesProgress(w)
	r := badgerstore.Restoring{
		To: storeOptions(cfg, newLogger(w, cfg.Log.Format, slog.LevelWarn)), Replace: cmd.Bool("replace"), Also: extras, Progress: bar.set,
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
	done, err := badgerstore.Restore(ctx, r)
	bar.finish()
	switch {
	case errors.Is(err, badgerstore.ErrLocked):
		return fmt.Errorf("%w; stop it first", err)
	case errors.Is(err, badgerstore.ErrExists):
		return usage.Errorf("%w; with --replace it is moved aside", err)
	case errors.Is(err, badgerstore.ErrBackup):
		return fmt.Errorf("%w; nothing was changed", err)
	case err != nil:
		return err
	}
	fmt.Fprintf(w, "%10d events as of %s are in %s\n", done.Repair.Events, done.Manifest.Taken.Format(time.RFC3339), cfg.Data)
	if done.Old != "" {
		fmt.Fprintf(w, "The store that was there is in %s; remove it when you are sure.\n", done.Old)
	}
	for _, name := range done.Kept {
		fmt.Fprintf(w, "%s is that of the store that was there: the backup has none.\n", name)
	}
	if len(done.Damaged) > 0 {
		return fmt.Errorf("the store is restored; %d events were damaged when the backup was taken, and are lost: numbers %s", len(done.Damaged), serials(done.Damaged))
	}
	return nil
}

// bytesProgress is a bar over several steps.
type bytesProgress struct {
	w    io.Writer
	step string
	bar  *terminal.Progress
}

func newBytesProgress(w io.Writer) *bytesProgress { return &bytesProgress{w: w} }

func (p *bytesProgress) set(step string, done, total int64) {
	if p.bar == nil || p.step != step {
		p.finish()
		p.step, p.bar = step, terminal.NewProgress(p.w, step, total)
	}
	p.bar.At(done)
}

func (p *bytesProgress) finish() {
	if p.bar != nil {
		p.bar.Finish()
	}
}
