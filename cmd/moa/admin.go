package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/manager"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/nip86"
)

func adminCommand() *cli.Command {
	return &cli.Command{
		Name:      "admin",
		Usage:     "manage a relay, here or elsewhere, by the calls of NIP-86",
		ArgsUsage: "METHOD [PARAM…]",
		Description: `Without --relay, the call goes to the relay that runs on this machine with the same
data folder, through its control socket: it needs no key, and may do everything.

With --relay URL, ws, wss, http or https, the call is signed (NIP-98) by the key of
--key-file, of ` + config.AdminKeyEnv + ` in the environment (nsec or hex), or of the bunker at
--bunker (NIP-46). URL is the one by which the relay knows itself. Its operator has
named the key in [admin].

A public key may be given as npub, an event as note or nevent. The methods:

  ` + methodList() + `
  reset SETTING: the same as resetsetting; name, description, icon or kind:NUMBER

Another relay may have others; supportedmethods tells those that the key may call.`,
		Flags: []cli.Flag{
			config.Flag(),
			&cli.StringFlag{Name: "data", Usage: "the folder of the relay's store, `DIR`", Sources: cli.EnvVars("MOA_DATA")},
			&cli.StringFlag{Name: "relay", Usage: "call the relay at `URL`"},
			&cli.StringFlag{Name: "key-file", Usage: "sign by the secret key in `FILE`, nsec or hex", TakesFile: true},
			&cli.StringFlag{Name: "bunker", Usage: "have it signed by the bunker at `URL`, bunker://…"},
			&cli.BoolFlag{Name: "erase", Usage: "with banpubkey: remove all that the author has written"},
			&cli.IntFlag{Name: "limit", Usage: "of a list: at most `N` entries"},
			&cli.StringFlag{Name: "after", Usage: "of a list: only what is behind `ENTRY`, the last one of the page before"},
			&cli.BoolFlag{Name: "json", Usage: "print JSON"},
		},
		Action: runAdmin,
	}
}

func methodList() string {
	var lines []string
	for _, m := range nip86.Methods() {
		lines = append(lines, m.Usage())
	}
	return strings.Join(lines, "\n  ")
}

func runAdmin(ctx context.Context, cmd *cli.Command) error {
	if cmd.NArg() == 0 {
		return usage.Errorf("name a method; moa admin --help lists them")
	}
	call, err := manager.NewCall(cmd.Args().First(), cmd.Args().Tail(), manager.Options{
		Erase: cmd.Bool("erase"), Limit: cmd.Int("limit"), After: cmd.String("after"),
	})
	if err != nil {
		return usage.Error{Err: err}
	}
	result, err := callAdmin(ctx, cmd, call)
	if err != nil {
		return err
	}
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		return terminal.PrintJSON(terminal.ForJSON(w), result)
	}
	shown, err := manager.Show(w, result)
	if err == nil && shown.Listed && shown.Entries == call.Page() {
		fmt.Fprintf(cmd.Root().ErrWriter, "there may be more: --after %s\n", shown.Last)
	}
	return err
}

// callAdmin makes the call where the flags say.
func callAdmin(ctx context.Context, cmd *cli.Command, call *manager.Call) (json.RawMessage, error) {
	file, bunker := cmd.String("key-file"), cmd.String("bunker")
	at := cmd.String("relay")
	if at == "" {
		if file != "" || bunker != "" {
			return nil, usage.Errorf("--relay is missing: the relay on this machine asks for no key")
		}
		cfg, _, err := config.SourceOf(cmd).Read()
		if err != nil {
			return nil, err
		}
		var answer nip86.Response
		if err := (door{cfg.Data}).ask(ctx, "POST", "/admin", call.Request, &answer); err != nil {
			return nil, err
		}
		return manager.Result(answer)
	}
	target, err := manager.Target(at)
	if err != nil {
		return nil, usage.Errorf("--relay: %w", err)
	}
	signer, err := adminSigner(cmd, file, bunker)
	if err != nil {
		return nil, err
	}
	return manager.Send(ctx, target, call, signer)
}
