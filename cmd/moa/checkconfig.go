package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/usage"
	"moa/policy"
	"moa/policy/builtin"
)

func checkConfigCommand() *cli.Command {
	return &cli.Command{
		Name:      "check-config",
		Usage:     "tell all faults of a configuration, as the start of the relay would",
		ArgsUsage: "[FILE]",
		Description: "The flags and environment variables of serve are heeded too. " +
			"Without FILE, --config names it.",
		Flags: config.Flags(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.NArg() > 1 {
				return usage.Errorf("one file at a time")
			}
			s := config.SourceOf(cmd)
			if cmd.NArg() == 1 {
				s.File = cmd.Args().First()
			}
			c, chain, err := load(s, policy.Env{}, nil)
			if err != nil {
				return err
			}
			for _, line := range append(s.Warnings(&c), builtin.Warnings(chain)...) {
				fmt.Fprintln(cmd.Root().ErrWriter, "warning:", line)
			}
			if err := tellOverridden(ctx, cmd, c.Data); err != nil {
				return err
			}
			said := "the configuration is good"
			if s.File == "" {
				said += "; no file was named, so it is that of flags, variables and defaults"
			}
			if _, err := os.Stat(c.Data); errors.Is(err, fs.ErrNotExist) {
				fmt.Fprintf(cmd.Root().ErrWriter, "note: %s is not there yet: the first start makes a store in it\n", c.Data)
			}
			if name := ownerBesideRoot(c.Data); name != "" && os.Geteuid() == 0 {
				fmt.Fprintf(cmd.Root().ErrWriter, "note: this was checked as root, who may read every file: check it as %s, too, to whom the data folder belongs\n", name)
			}
			fmt.Fprintln(cmd.Root().Writer, said)
			return nil
		},
	}
}

// ownerBesideRoot is the user to whom a data folder belongs, or will if the relay makes
// it; "" if that is root.
func ownerBesideRoot(dir string) string {
	info, err := os.Stat(dir)
	for ; err != nil; info, err = os.Stat(dir) {
		parent := filepath.Dir(dir)
		if parent == dir {
			return ""
		}
		dir = parent
	}
	file, ok := info.Sys().(*syscall.Stat_t)
	if !ok || file.Uid == 0 {
		return ""
	}
	id := strconv.Itoa(int(file.Uid))
	if u, err := user.LookupId(id); err == nil {
		return u.Username
	}
	return "user " + id
}

// tellOverridden names the keys that were set otherwise while the relay ran.
func tellOverridden(ctx context.Context, cmd *cli.Command, data string) (err error) {
	st, end, err := readState(ctx, data)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	if st == nil {
		return nil
	}
	for _, key := range overridden(st) {
		fmt.Fprintf(cmd.Root().ErrWriter, "note: %s: %s: moa admin reset %s\n", key, overriddenText, strings.TrimPrefix(key, "info."))
	}
	return nil
}
