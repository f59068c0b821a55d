package main

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/usage"
	"moa/nips/nip19"
	"moa/relay"
)

//go:embed recipes
var recipes embed.FS

// recipe is a kind of niche relay. Its configuration is in
// recipes/<name>.toml. There, <pubkey>, <url> and <data> are what the flags say; without
// them, url, data and the operator's pubkey are comments.
type recipe struct {
	name, usage string
	owner       bool // it belongs to one person, so --pubkey is needed
	members     bool // it reads members.txt
}

var recipeList = []recipe{
	{name: "public", usage: "everybody writes and reads"},
	{name: "community", usage: "members write, everybody reads", members: true},
	{name: "paid", usage: "people who have paid write, everybody reads", members: true},
	{name: "personal", usage: "one person writes, everybody reads", owner: true},
	{name: "inbox", usage: "everybody writes to one person, and that person reads", owner: true},
	{name: "geo", usage: "events from one place"},
}

// membersFile is the list that some recipes read.
const membersFile = "members.txt"

func initCommand() *cli.Command {
	c := &cli.Command{
		Name:  "init",
		Usage: "write a commented configuration for a kind of relay",
		Description: "Without --out it goes to standard output. What is there already is never\n" +
			"overwritten. Try it before it bites with `moa policy test`.",
	}
	for _, r := range recipeList {
		c.Commands = append(c.Commands, &cli.Command{
			Name:  r.name,
			Usage: r.usage,
			Flags: []cli.Flag{
				&cli.StringFlag{Name: "out", Aliases: []string{"o"}, Usage: "write to `FILE`"},
				&cli.StringFlag{Name: "pubkey", Usage: "the operator's public `KEY`, npub or hex"},
				&cli.StringFlag{Name: "url", Usage: "the relay's public `URL`, wss://…"},
				&cli.StringFlag{Name: "data", Usage: "the folder of the store, `DIR`"},
				&cli.BoolFlag{Name: "behind-proxy", Usage: "a reverse proxy on this machine brings the clients; it needs --url"},
			},
			Action: func(_ context.Context, cmd *cli.Command) error { return runInit(cmd, r) },
		})
	}
	return c
}

func runInit(cmd *cli.Command, r recipe) error {
	if cmd.NArg() > 0 {
		return usage.Errorf("init %s takes no arguments, and got %q", r.name, cmd.Args().First())
	}
	text, err := r.fill(cmd.String("pubkey"), cmd.String("url"), cmd.String("data"), cmd.Bool("behind-proxy"))
	if err != nil {
		return err
	}
	root, out := cmd.Root(), cmd.String("out")
	if out == "" {
		if _, err := fmt.Fprint(root.Writer, text); err != nil {
			return err
		}
		if r.members {
			fmt.Fprintf(root.ErrWriter, "It reads %s, which must lie beside the file: one public key a line.\n", membersFile)
		}
		return nil
	}
	if err := create(out, text); err != nil {
		return err
	}
	fmt.Fprintf(root.ErrWriter, "Written: %s\n", out)
	if r.members {
		list := filepath.Join(filepath.Dir(out), membersFile)
		head, err := recipes.ReadFile("recipes/" + membersFile)
		if err != nil {
			return err
		}
		switch err := create(list, string(head)+cmd.String("pubkey")+"\n"); {
		case err == nil:
			you := ""
			if cmd.String("pubkey") == "" {
				you = ", and yourself"
			}
			fmt.Fprintf(root.ErrWriter, "Written: %s. Put the members there%s: one public key a line.\n", list, you)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
	}
	fmt.Fprintf(root.ErrWriter, "Read it through, then: moa serve --config %s\n", out)
	return nil
}

// fill returns the recipe's configuration.
func (r recipe) fill(pubkey, url, data string, proxy bool) (string, error) {
	text, err := recipes.ReadFile("recipes/" + r.name + ".toml")
	if err != nil {
		return "", err
	}
	if pubkey == "" && r.owner {
		return "", usage.Errorf("%s is somebody's: say whose with --pubkey npub1…", r.name)
	}
	if pubkey != "" {
		pk, err := nip19.ParsePubKey(pubkey)
		if err != nil {
			return "", usage.Errorf("--pubkey: %w", err)
		}
		pubkey = pk.String()
	}
	if url != "" {
		cfg := relay.DefaultConfig()
		cfg.URL = url
		if bad := cfg.Validate(); bad != nil {
			return "", usage.Errorf("--url: %s", bad[0].Text())
		}
	}
	if proxy && url == "" {
		return "", usage.Errorf("behind a proxy, say with --url by which address clients come: wss://…")
	}
	config := string(text)
	if proxy {
		config = strings.Replace(config, "\n# trusted_proxies = ", "\ntrusted_proxies = ", 1)
	}
	if pubkey == "" {
		config = strings.Replace(config, "\npubkey = \"<pubkey>\"", "\n# pubkey = \"npub1...\"", 1)
	}
	if url == "" {
		config = strings.Replace(config, "\nurl = \"<url>\"", "\n# url = \"wss://relay.example.com\"", 1)
	}
	if data == "" {
		config = strings.Replace(config, "\ndata = \"<data>\"", "\n# data = \"/var/lib/moa/store\"", 1)
	} else if data, err = filepath.Abs(data); err != nil { // commands that start elsewhere find it, too
		return "", err
	}
	return strings.NewReplacer("<pubkey>", pubkey, `"<url>"`, strconv.Quote(url), `"<data>"`, strconv.Quote(data)).Replace(config), nil
}

// create writes a file that must not be there.
func create(path, text string) (err error) {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return usage.Error{Err: fmt.Errorf("it is there already, and stays as it is: %w", err)}
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	_, err = f.WriteString(text)
	return err
}
