package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/urfave/cli/v3"

	"moa/bench"
	benchreport "moa/bench/report"
	"moa/cmd/moa/internal/usage"
)

func benchDiffCommand() *cli.Command {
	return &cli.Command{
		Name:      "diff",
		Usage:     "what changed between two results, and whether that means anything",
		ArgsUsage: "OLD.json NEW.json",
		Description: `Both come from --json. Medians are compared with the Mann-Whitney U test, as benchstat does; give each side four runs or
more (--repeat). Ends with an error if something got worse.

   moa bench query --repeat 10 --json old.json           # … change something …
   moa bench query --repeat 10 --json new.json
   moa bench diff old.json new.json`,
		Action: func(_ context.Context, cmd *cli.Command) error {
			if cmd.NArg() != 2 {
				return usage.Errorf("diff needs two files")
			}
			before, err := readReport(cmd.Args().Get(0))
			if err != nil {
				return err
			}
			after, err := readReport(cmd.Args().Get(1))
			if err != nil {
				return err
			}
			worse, err := benchreport.Diff(cmd.Root().Writer, before, after)
			if err == nil && worse {
				err = errWorse
			}
			return err
		},
	}
}

var errWorse = errors.New("something got worse, see above")

func readReport(name string) (*bench.Report, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	r := new(bench.Report)
	if err := json.Unmarshal(text, r); err != nil {
		return nil, fmt.Errorf("%s is not a result of moa bench: %w", name, err)
	}
	return r, nil
}
