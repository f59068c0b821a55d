package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"slices"
	"time"

	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/nip19"
	"moa/policy/builtin"
	"moa/store/state"
)

func membersCommand() *cli.Command {
	verb := func(name, help, args string, run func(ctx context.Context, cmd *cli.Command, cfg *config.Config) error, flags ...cli.Flag) *cli.Command {
		return &cli.Command{
			Name: name, Usage: help, ArgsUsage: args,
			Flags: slices.Concat([]cli.Flag{config.Flag(), &cli.StringFlag{Name: "data", Usage: "the folder of the relay's store, `DIR`", Sources: cli.EnvVars("MOA_DATA")}}, flags),
			Action: func(ctx context.Context, cmd *cli.Command) error {
				if err := takes(cmd, args); err != nil {
					return err
				}
				cfg, _, err := config.SourceOf(cmd).Read()
				if err != nil {
					return err
				}
				return run(ctx, cmd, &cfg)
			},
		}
	}
	asJSON := &cli.BoolFlag{Name: "json", Usage: "print JSON"}
	roles := &cli.StringSliceFlag{Name: "role", Usage: "with this `ROLE`; may be given several times"}
	return &cli.Command{
		Name:  "members",
		Usage: "let people in and out, invite them, and give them roles",
		Description: `Works on the relay that runs on this machine with the same data folder, for the
user that runs it; list, invites, roles and export also without a relay. What members may
do is the business of policies (members = true). MEMBER is an npub, an nprofile or hex.`,
		Commands: []*cli.Command{
			verb("list", "list the members, the newest first", "", runMembersList, asJSON, &cli.StringFlag{Name: "role", Usage: "only those with this `ROLE`"}),
			verb("add", "make somebody a member", "MEMBER", runMembersAdd, roles, &cli.StringFlag{Name: "note", Usage: "`WHAT` operators want to know of them"}),
			verb("import", "make everybody in a list members: one key a line, or JSON", "FILE", runMembersImport, roles),
			verb("remove", "end a membership, and the invites that the member has made", "MEMBER", runMembersRemove, &cli.StringFlag{Name: "note", Usage: "`WHY`, for other operators"}),
			verb("note", "write a note on a member, or forget it: an empty one", "MEMBER NOTE", runMembersNote),
			verb("invite", "make an invite and print its code", "", runMembersInvite, roles,
				&cli.IntFlag{Name: "uses", Value: 1, Usage: "for `N` people; 0: for any number"},
				&cli.StringFlag{Name: "for", Usage: "for this `TIME`, such as 12h or 7d; otherwise for good"},
				&cli.StringFlag{Name: "code", Usage: "the `CODE`; otherwise one is made up"}),
			verb("invites", "list the invites, the newest first", "", runMembersInvites, asJSON),
			verb("cancel", "end an invite; those who have come by it stay", "CODE", runMembersCancel),
			verb("roles", "list the roles", "", runMembersRoles, asJSON),
			verb("set-role", "make a role, or say anew what it is", "ROLE", runMembersSetRole,
				&cli.StringFlag{Name: "label", Usage: "its `NAME` for people"},
				&cli.StringFlag{Name: "description", Usage: "`WHAT` it is for"},
				&cli.IntFlag{Name: "color", Usage: "`N` on the color circle, 0 to 360"},
				&cli.IntFlag{Name: "order", Usage: "its place `N` among the roles"}),
			verb("delete-role", "delete a role; nobody has it any more", "ROLE", runMembersDeleteRole),
			verb("assign", "give a member a role", "MEMBER ROLE", runMembersAssign),
			verb("unassign", "take a role away from a member", "MEMBER ROLE", runMembersUnassign),
			verb("export", "print all that is known of a person, but for events, as JSON", "MEMBER", runMembersExport),
		},
	}
}

// askChange has the relay make a change.
func askChange(ctx context.Context, cfg *config.Config, c memberChange) (out memberChanged, err error) {
	err = door{cfg.Data}.ask(ctx, http.MethodPost, "/members", c, &out)
	return out, err
}

// makeChange is askChange, and says what follows.
func makeChange(ctx context.Context, cmd *cli.Command, cfg *config.Config, c memberChange, follows string) error {
	if _, err := askChange(ctx, cfg, c); err != nil {
		return err
	}
	fmt.Fprintln(cmd.Root().Writer, follows)
	return nil
}

func runMembersAdd(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	pk, err := memberArg(cmd)
	if err != nil {
		return err
	}
	one := state.Membership{PubKey: pk, Roles: cmd.StringSlice("role"), Note: cmd.String("note")}
	out, err := askChange(ctx, cfg, memberChange{Do: doAddMembers, Members: []state.Membership{one}})
	if err != nil {
		return err
	}
	if out.Added == 0 {
		return usage.Errorf("%s is a member already; assign and note change what is known of them", nip19.Npub(pk))
	}
	fmt.Fprintln(cmd.Root().Writer, "a member from now on")
	tellUseless(cmd, cfg)
	return nil
}

func runMembersImport(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	name := cmd.Args().First()
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	keys, err := builtin.ParseKeys(name, text)
	if err != nil {
		return usage.Errorf("%w", err)
	}
	const atOnce = 5000 // they are one transaction, during which nothing else changes
	added := 0
	for part := range slices.Chunk(keys, atOnce) {
		c := memberChange{Do: doAddMembers}
		for _, pk := range part {
			c.Members = append(c.Members, state.Membership{PubKey: pk, Roles: cmd.StringSlice("role")})
		}
		out, err := askChange(ctx, cfg, c)
		if err != nil {
			return fmt.Errorf("%s so far: %w", terminal.Count(added, "member was added", "members were added"), err)
		}
		added += out.Added
	}
	fmt.Fprintf(cmd.Root().Writer, "%s, of %s\n", terminal.Count(added, "member was added", "members were added"), terminal.Count(len(keys), "key", "keys"))
	tellUseless(cmd, cfg)
	return nil
}

// tellUseless says so if a configuration gives members nothing. One without policies may
// be none that the relay runs with.
func tellUseless(cmd *cli.Command, cfg *config.Config) {
	if len(cfg.Policy) > 0 && !cfg.NamesMembers() {
		fmt.Fprintln(cmd.Root().ErrWriter, "warning:", config.NoPolicyNamesMembers)
	}
}

func runMembersRemove(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	pk, err := memberArg(cmd)
	if err != nil {
		return err
	}
	return makeChange(ctx, cmd, cfg, memberChange{Do: doRemoveMember, Member: &pk, Why: cmd.String("note")},
		"no member any more, nor are the invites that they have made good; moa moderation ban keeps them from coming back")
}

func runMembersNote(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	pk, err := memberArg(cmd)
	if err != nil {
		return err
	}
	return makeChange(ctx, cmd, cfg, memberChange{Do: doNoteMember, Member: &pk, Why: cmd.Args().Get(1)}, "noted")
}

func runMembersInvite(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	i := state.Invite{Code: cmd.String("code"), Most: cmd.Int("uses"), Roles: cmd.StringSlice("role")}
	if text := cmd.String("for"); text != "" {
		span, err := parseSpan(text)
		if err != nil {
			return err
		}
		i.Until = time.Now().Add(span).Unix()
	}
	out, err := askChange(ctx, cfg, memberChange{Do: doInvite, Invite: &i})
	if err != nil {
		return err
	}
	fmt.Fprintln(cmd.Root().Writer, out.Invite.Code)
	if !cfg.Members.Enabled {
		fmt.Fprintln(cmd.Root().ErrWriter, "nobody can use it yet: members.enabled is false in the configuration")
	}
	tellUseless(cmd, cfg)
	return nil
}

func runMembersCancel(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	return makeChange(ctx, cmd, cfg, memberChange{Do: doCancel, Invite: &state.Invite{Code: cmd.Args().First()}}, "the invite is over")
}

func runMembersSetRole(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	r := state.Role{ID: cmd.Args().First(), Label: cmd.String("label"), Description: cmd.String("description")}
	for name, to := range map[string]**int{"color": &r.Color, "order": &r.Order} {
		if cmd.IsSet(name) {
			n := cmd.Int(name)
			*to = &n
		}
	}
	return makeChange(ctx, cmd, cfg, memberChange{Do: doSetRole, Role: &r}, "the role is there")
}

func runMembersDeleteRole(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	return makeChange(ctx, cmd, cfg, memberChange{Do: doDeleteRole, Role: &state.Role{ID: cmd.Args().First()}}, "nobody has the role any more")
}

func runMembersAssign(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	return assign(ctx, cmd, cfg, doAssign, "assigned")
}

func runMembersUnassign(ctx context.Context, cmd *cli.Command, cfg *config.Config) error {
	return assign(ctx, cmd, cfg, doUnassign, "taken away")
}

func assign(ctx context.Context, cmd *cli.Command, cfg *config.Config, do, follows string) error {
	pk, err := memberArg(cmd)
	if err != nil {
		return err
	}
	return makeChange(ctx, cmd, cfg, memberChange{Do: do, Member: &pk, Role: &state.Role{ID: cmd.Args().Get(1)}}, follows)
}
