package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/manager"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
)

// adminSigner signs calls by the one key that is given.
func adminSigner(cmd *cli.Command, file, bunker string) (manager.Signer, error) {
	switch {
	case file != "" && bunker != "":
		return nil, usage.Errorf("--key-file or --bunker, not both")
	case bunker != "":
		return bunkerSigner(cmd, bunker)
	case file != "":
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, usage.Errorf("--key-file: %w", err)
		}
		id, err := config.ParseIdentity(string(text))
		if err != nil {
			return nil, usage.Errorf("%s: %w", file, err)
		}
		return manager.ByKey(id), nil
	}
	text, ok := os.LookupEnv(config.AdminKeyEnv)
	if !ok {
		return nil, usage.Errorf("the call must be signed: give --key-file, --bunker, or %s in the environment", config.AdminKeyEnv)
	}
	id, err := config.ParseIdentity(text)
	if err != nil {
		return nil, usage.Errorf("%s: %w", config.AdminKeyEnv, err)
	}
	return manager.ByKey(id), nil
}

// bunkerSigner has a bunker sign. It knows this program by a key of its own, which stays:
// the secret in the URL of a bunker is often good for one connection only.
func bunkerSigner(cmd *cli.Command, bunker string) (manager.Signer, error) {
	at, err := manager.ParseBunker(bunker)
	if err != nil {
		return nil, usage.Errorf("--bunker: %w", err)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return nil, fmt.Errorf("the key by which the bunker knows moa: %w", err)
	}
	path := filepath.Join(dir, "moa", "bunker-client.key")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fmt.Errorf("the key by which the bunker knows moa: %w", err)
	}
	secret, err := config.KeyIn(path)
	if err != nil {
		return nil, err
	}
	return manager.ByBunker(at, secret, func(url string) {
		fmt.Fprintf(cmd.Root().ErrWriter, "the bunker wants you to allow this: %s\n", terminal.Line(url))
	}), nil
}
