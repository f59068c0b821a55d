package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
)

func healthcheckCommand() *cli.Command {
	return &cli.Command{
		Name:  "healthcheck",
		Usage: "succeed if the relay of this configuration lives",
		Description: `For containers, which have no other program to ask with. The address is that which
serve would listen on, with the same flags, environment and file.

It asks /healthz; with --ready /readyz, which also fails while the relay starts or
stops, and while nothing can be stored because the disk is full. A relay should not be
restarted for that: clients can read, and a restart makes no room.`,
		Flags: append(config.Flags(), &cli.BoolFlag{Name: "ready", Usage: "succeed only if it can also store events"}),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg, faults, err := config.SourceOf(cmd).Read()
			if err := errors.Join(err, config.Err(faults)); err != nil {
				return err
			}
			path := "/healthz"
			if cmd.Bool("ready") {
				path = "/readyz"
			}
			return healthy(ctx, cfg.Listen, path)
		},
	}
}

// healthy asks the relay that listens on HOST:PORT at a path for its health.
func healthy(ctx context.Context, listen, path string) error {
	url := "http" + strings.TrimPrefix(localURL(listen), "ws") + path
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", url, res.Status)
	}
	return nil
}
