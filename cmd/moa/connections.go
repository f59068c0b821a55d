package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strconv"
	"text/tabwriter"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/nip19"
	"moa/relay"
)

func connectionsCommand() *cli.Command {
	flags := func(more ...cli.Flag) []cli.Flag {
		return slices.Concat([]cli.Flag{config.Flag(), &cli.StringFlag{Name: "data", Usage: "the folder of the relay's store, `DIR`", Sources: cli.EnvVars("MOA_DATA")}}, more)
	}
	action := func(run func(context.Context, *cli.Command, door, *netip.Prefix) error) cli.ActionFunc {
		return func(ctx context.Context, cmd *cli.Command) error {
			cfg, _, err := config.SourceOf(cmd).Read()
			if err != nil {
				return err
			}
			var from *netip.Prefix
			if text := cmd.String("address"); text != "" {
				p, err := parsePrefix(text)
				if err != nil {
					return usage.Errorf("--address: %w", err)
				}
				from = &p
			}
			return run(ctx, cmd, door{cfg.Data}, from)
		}
	}
	return &cli.Command{
		Name:  "connections",
		Usage: "list the open connections of a relay, and end some",
		Description: `Works on the relay that runs on this machine with the same data folder, for the
user that runs it. NET is an IP address or a network such as 192.0.2.0/24.`,
		Commands: []*cli.Command{{
			Name: "list", Usage: "list the open connections, the oldest first",
			Flags: flags(
				&cli.StringFlag{Name: "address", Usage: "only those from `NET`"},
				&cli.BoolFlag{Name: "json", Usage: "print JSON"}),
			Action: action(runConnectionsList),
		}, {
			Name: "close", Usage: "end a connection, or all from an address", ArgsUsage: "[ID]",
			Description: `The client may connect again; moa moderation block keeps an address out.`,
			Flags: flags(
				&cli.StringFlag{Name: "address", Usage: "all that come from `NET`, in place of ID"},
				&cli.StringFlag{Name: "note", Usage: "`WHY`, for other operators"}),
			Action: action(runConnectionsClose),
		}},
	}
}

func runConnectionsList(ctx context.Context, cmd *cli.Command, d door, from *netip.Prefix) error {
	if err := takes(cmd, ""); err != nil {
		return err
	}
	list := []relay.Connection{}
	if err := d.ask(ctx, http.MethodGet, "/connections", nil, &list); err != nil {
		return err
	}
	if from != nil {
		list = slices.DeleteFunc(list, func(c relay.Connection) bool { return !from.Contains(c.Address.Unmap()) })
	}
	w := cmd.Root().Writer
	if cmd.Bool("json") {
		return terminal.PrintJSON(w, list)
	}
	return printConnections(w, list, time.Now())
}

func printConnections(w io.Writer, list []relay.Connection, now time.Time) error {
	if len(list) == 0 {
		fmt.Fprintln(w, "no client is connected")
		return nil
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "id\taddress\tage\tsubscriptions\tqueued\tsent\tkeys")
	for _, c := range list {
		address := c.Address.String()
		if c.Local {
			address += " (this machine)"
		}
		fmt.Fprintf(t, "%d\t%s\t%v\t%d\t%s\t%s", c.ID, address, max(now.Sub(c.Since), 0).Round(time.Second), c.Subscriptions, terminal.Bytes(int64(c.Queued)), terminal.Bytes(c.Sent))
		for i, pk := range c.Keys {
			sep := "\t"
			if i > 0 {
				sep = ", "
			}
			fmt.Fprint(t, sep, nip19.Npub(pk))
		}
		fmt.Fprintln(t)
	}
	return t.Flush()
}

func runConnectionsClose(ctx context.Context, cmd *cli.Command, d door, from *netip.Prefix) error {
	one := disconnection{Address: from, Note: cmd.String("note")}
	if (from != nil) == (cmd.NArg() > 0) || cmd.NArg() > 1 {
		return usage.Errorf("%s takes the ID of a connection, or --address NET", cmd.FullName())
	}
	if from == nil {
		id, err := strconv.ParseUint(cmd.Args().First(), 10, 64)
		if err != nil {
			return usage.Errorf("%q is not the ID of a connection; moa connections list shows them", cmd.Args().First())
		}
		one.ID = id
	}
	var out disconnected
	if err := d.ask(ctx, http.MethodPost, "/connections/close", one, &out); err != nil {
		return err
	}
	fmt.Fprintf(cmd.Root().Writer, "%s ended\n", terminal.Count(out.Ended, "connection was", "connections were"))
	return nil
}
