package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/nips/nip19"
	"moa/relay/desk"
	"moa/store/state"
)

// mostListed are read at a time.
const mostListed = 1000

// inBooks shows something of what is known of members, whether a relay runs with the data
// folder or not.
func inBooks(ctx context.Context, cmd *cli.Command, cfg *config.Config, show func(*state.Store, io.Writer) error) error {
	st, end, err := readState(ctx, cfg.Data)
	if err != nil {
		return err
	}
	if st == nil {
		return errors.Join(usage.Errorf("nothing is decided in %s yet; is it the folder of the relay (--config or --data)?", cfg.Data), end())
	}
	return errors.Join(show(st, cmd.Root().Writer), end())
}

func runMembersList(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	return inBooks(ctx, cmd, cfg, func(st *state.Store, w io.Writer) error {
		list, err := allPages(func(before int64) ([]state.Membership, error) {
			return st.Members(ctx, state.MemberQuery{Before: before, Limit: mostListed, Role: cmd.String("role")})
		}, func(m *state.Membership) int64 { return m.Nth })
		if err != nil {
			return err
		}
		if cmd.Bool("json") {
			return terminal.PrintJSON(w, list)
		}
		switch role := cmd.String("role"); {
		case len(list) > 0:
		case role != "":
			fmt.Fprintf(w, "no member has the role %q; moa members roles lists the roles\n", role)
		default:
			fmt.Fprintln(w, "there are no members; moa members add MEMBER makes one, and moa members invite makes a code; people in lists such as members.txt are not among them")
		}
		for _, m := range list {
			printMember(w, &m)
		}
		return nil
	})
}

func printMember(w io.Writer, m *state.Membership) {
	fmt.Fprintf(w, "%s  since %s", nip19.Npub(m.PubKey), day(m.Since))
	if len(m.Roles) > 0 {
		fmt.Fprintf(w, "  %s", terminal.Line(strings.Join(m.Roles, ", ")))
	}
	if m.Inviter != (event.PubKey{}) {
		fmt.Fprintf(w, "  invited by %s", nip19.Npub(m.Inviter))
	} else if m.Invite != "" {
		fmt.Fprint(w, "  by an invite")
	}
	if m.Note != "" {
		fmt.Fprintf(w, "  (%s)", terminal.Line(m.Note))
	}
	fmt.Fprintln(w)
}

func day(at int64) string { return time.Unix(at, 0).UTC().Format(time.DateOnly) }

func runMembersInvites(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	return inBooks(ctx, cmd, cfg, func(st *state.Store, w io.Writer) error {
		list, err := allPages(func(before int64) ([]state.Invite, error) {
			return st.Invites(ctx, nil, before, mostListed)
		}, func(i *state.Invite) int64 { return i.Nth })
		if err != nil {
			return err
		}
		if cmd.Bool("json") {
			return terminal.PrintJSON(w, list)
		}
		if len(list) == 0 {
			fmt.Fprintln(w, "there are no invites; moa members invite makes one")
		}
		for _, i := range list {
			printInvite(w, &i)
		}
		return nil
	})
}

func printInvite(w io.Writer, i *state.Invite) {
	most := "any number"
	if i.Most > 0 {
		most = strconv.Itoa(i.Most)
	}
	fmt.Fprintf(w, "%s  used by %d of %s", terminal.Line(i.Code), i.Used, most)
	if i.Until > 0 {
		fmt.Fprintf(w, "  until %s", time.Unix(i.Until, 0).UTC().Format(time.RFC3339))
	}
	if !i.Open(time.Now().Unix()) {
		fmt.Fprint(w, "  over")
	}
	if len(i.Roles) > 0 {
		fmt.Fprintf(w, "  gives %s", terminal.Line(strings.Join(i.Roles, ", ")))
	}
	if i.By != (event.PubKey{}) {
		fmt.Fprintf(w, "  by %s", nip19.Npub(i.By))
	}
	fmt.Fprintln(w)
}

func runMembersRoles(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	return inBooks(ctx, cmd, cfg, func(st *state.Store, w io.Writer) error {
		list := append([]state.Role{}, st.Roles()...)
		if cmd.Bool("json") {
			return terminal.PrintJSON(w, list)
		}
		if len(list) == 0 {
			fmt.Fprintln(w, "there are no roles; moa members set-role ROLE makes one")
		}
		for _, r := range list {
			fmt.Fprintf(w, "%s  %s  %s\n", terminal.Line(r.ID), terminal.Line(r.Label), terminal.Line(r.Description))
		}
		return nil
	})
}

func runMembersExport(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	pk, err := memberArg(cmd)
	if err != nil {
		return err
	}
	return inBooks(ctx, cmd, cfg, func(st *state.Store, w io.Writer) (err error) {
		stored, end, err := storedAt(ctx, cmd, cfg)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, end()) }()
		known, err := desk.New(desk.Deps{State: st, Stored: stored}).Export(ctx, pk)
		if err != nil {
			return err
		}
		return terminal.PrintJSON(w, known)
	})
}

// allPages reads a list to its end.
func allPages[T any](page func(before int64) ([]T, error), nth func(*T) int64) (all []T, err error) {
	all = []T{} // JSON's list, also if it is empty
	for before := int64(0); ; {
		some, err := page(before)
		all = append(all, some...)
		if err != nil || len(some) < mostListed {
			return all, err
		}
		before = nth(&some[len(some)-1])
	}
}
