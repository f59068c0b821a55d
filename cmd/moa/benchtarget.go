package main

import (
	"context"
	"os"

	"github.com/urfave/cli/v3"

	"moa/bench"
	"moa/bench/launch"
	"moa/cmd/moa/internal/usage"
)

// manyFiles is more files than any load test here opens, and what Linux lets root
// ask for.
const manyFiles = 1 << 20

// openManyFiles lets this program, and the relays that it starts, hold as many
// connections as the system allows. A test that needs more says so.
func openManyFiles() {
	if _, err := raiseOpenFiles(manyFiles); err != nil {
		_, _ = raiseOpenFiles(0)
	}
}

// benchTarget finds the relay to load: the one at the URL, one that --start
// starts, or a moa of our own in a temporary folder.
func benchTarget(ctx context.Context, cmd *cli.Command, url string) (t bench.Target, closeTarget func() error, err error) {
	start := cmd.String("start")
	switch {
	case url != "" && start != "":
		return t, nil, usage.Errorf("give a URL or --start, not both")
	case url != "":
		return bench.Target{URL: url, PID: cmd.Int("pid"), DataDir: cmd.String("data-dir")}, func() error { return nil }, nil
	case start != "":
		args, err := launch.Parse(start)
		if err != nil {
			return t, nil, usage.Errorf("--start: %w", err)
		}
		return startTarget(ctx, args[0], launch.Command{Args: args, Data: cmd.String("data-dir")})
	}
	args, err := ownServe()
	if err != nil {
		return t, nil, err
	}
	return startTarget(ctx, "moa", launch.Command{Args: args, Data: cmd.String("data-dir")})
}

// ownServe is the command that starts this program as a relay. It is a process
// of its own, so that its CPU and memory are not mixed with the load's.
func ownServe() ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return []string{self, "serve", "--listen", "127.0.0.1:{port}", "--data", "{data}"}, nil
}

func startTarget(ctx context.Context, name string, c launch.Command) (bench.Target, func() error, error) {
	relay, err := launch.Start(ctx, c)
	if err != nil {
		return bench.Target{}, nil, err
	}
	return bench.Target{Name: name, URL: relay.URL, PID: relay.PID(), DataDir: relay.Data, Restart: relay.Restart}, relay.Close, nil
}
