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
		Usage: "succeed if the relay of this configuration takes connections",
		Description: `For containers, which have no other program to ask with. The address is that which
serve would listen on, with the same flags, environment and file.`,
		Flags: config.Flags(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			cfg, faults, err := config.SourceOf(cmd).Read()
			if err := errors.Join(err, config.Err(faults)); err != nil {
				return err
			}
			return healthy(ctx, cfg.Listen)
		},
	}
}

// healthy asks the relay that listens on HOST:PORT whether it is ready.
func healthy(ctx context.Context, listen string) error {
	url := "http" + strings.TrimPrefix(localURL(listen), "ws") + "/readyz"
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
