package admin

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"moa/relay/desk"
	"moa/store/state"
)

// action is what a form does.
type action struct {
	right desk.Right
	page  string // that has the form, and is shown after it
	// do returns what to say of it.
	do func(context.Context, *visit, form) (said string, err error)
}

// actions are all that can be changed here, by path.
var actions = map[string]action{
	"/members/add":    {desk.People, "/members", addMember},
	"/members/remove": {desk.People, "/members", removeMember},
	"/members/give":   {desk.Roles, "/members", giveRole},
	"/members/take":   {desk.Roles, "/members", takeRole},

	"/invites/make":   {desk.People, "/invites", makeInvite},
	"/invites/cancel": {desk.People, "/invites", cancelInvite},

	"/reports/hide":    {desk.Events, "/reports", hideEvent},
	"/reports/remove":  {desk.Events, "/reports", removeEvent},
	"/reports/ban":     {desk.Authors, "/reports", banAuthor},
	"/reports/dismiss": {desk.Authors, "/reports", dismiss},

	"/bans/author":       {desk.Authors, "/bans", banAuthor},
	"/bans/author/lift":  {desk.Authors, "/bans", unbanAuthor},
	"/bans/event":        {desk.Events, "/bans", removeEvent},
	"/bans/event/lift":   {desk.Events, "/bans", allowEvent},
	"/bans/address":      {desk.Addresses, "/bans", blockAddress},
	"/bans/address/lift": {desk.Addresses, "/bans", unblockAddress},
}

// errRight says that a part of what was asked for is beyond somebody's rights.
var errRight = errors.New("an administrator may erase what an author has written, you may not")

func (v *visit) by() state.Actor { return state.Actor{Key: v.session.key, Door: Door} }

func addMember(ctx context.Context, v *visit, f form) (string, error) {
	pk, err := f.key("key")
	if err != nil {
		return "", err
	}
	said := "The member was added."
	if v.deps.Desk.State().Author(pk).Banned {
		said = "The member was added, and their ban was lifted."
	}
	return said, v.deps.Desk.Admit(ctx, v.by(), pk, "")
}

func removeMember(ctx context.Context, v *visit, f form) (string, error) {
	pk, err := f.key("key")
	if err != nil {
		return "", err
	}
	return "The member was removed, with the invites that they had made.", v.deps.Desk.RemoveMember(ctx, v.by(), pk, f.text("why"))
}

func giveRole(ctx context.Context, v *visit, f form) (string, error) {
	pk, err := f.key("key")
	if err != nil {
		return "", err
	}
	return "The member has the role.", v.deps.Desk.AssignRole(ctx, v.by(), pk, f.text("role"))
}

func takeRole(ctx context.Context, v *visit, f form) (string, error) {
	pk, err := f.key("key")
	if err != nil {
		return "", err
	}
	return "The member does not have the role any more.", v.deps.Desk.UnassignRole(ctx, v.by(), pk, f.text("role"))
}

const (
	mostInvited = 1_000_000
	mostDays    = 36_500
)

func makeInvite(ctx context.Context, v *visit, f form) (string, error) {
	people, err := f.number("people", "how many people may use it", mostInvited)
	if err != nil {
		return "", err
	}
	until, err := v.until(f)
	if err != nil {
		return "", err
	}
	i := state.Invite{Most: people, Until: until}
	if role := f.text("role"); role != "" {
		i.Roles = []string{role}
	}
	i, err = v.deps.Desk.CreateInvite(ctx, v.by(), i)
	return "The invite was made. Its code is " + i.Code, err
}

// until is the end of as many days; 0: there is none.
func (v *visit) until(f form) (int64, error) {
	days, err := f.number("days", "the days", mostDays)
	if err != nil || days == 0 {
		return 0, err
	}
	return v.deps.Now().Add(time.Duration(days) * 24 * time.Hour).Unix(), nil
}

func cancelInvite(ctx context.Context, v *visit, f form) (string, error) {
	return "The invite was revoked. Those that have come by it stay members.", v.deps.Desk.CancelInvite(ctx, v.by(), f.text("code"))
}

func hideEvent(ctx context.Context, v *visit, f form) (string, error) {
	id, err := f.event("event")
	if err != nil {
		return "", err
	}
	return "The event is hidden. It is shown again if you lift that under Bans.", v.deps.Desk.HideEvent(ctx, v.by(), id, f.text("why"))
}

func removeEvent(ctx context.Context, v *visit, f form) (string, error) {
	id, err := f.event("event")
	if err != nil {
		return "", err
	}
	n, err := v.deps.Desk.RemoveEvent(ctx, v.by(), id, f.text("why"))
	if n == 0 {
		return "No such event is stored. It is refused if it comes.", err
	}
	return "The event was removed, and is refused if it comes again.", err
}

func allowEvent(ctx context.Context, v *visit, f form) (string, error) {
	id, err := f.event("event")
	if err != nil {
		return "", err
	}
	return "The event is allowed again. One that was removed does not come back by itself.", v.deps.Desk.AllowEvent(ctx, v.by(), id, f.text("why"))
}

func banAuthor(ctx context.Context, v *visit, f form) (string, error) {
	pk, err := f.key("key")
	if err != nil {
		return "", err
	}
	until, err := v.until(f)
	if err != nil {
		return "", err
	}
	erase := f.text("erase") != ""
	if erase && !v.rank.May(desk.Erasing) {
		return "", errRight
	}
	ban := state.Ban{Until: until, Hidden: f.text("hide") != "", Why: f.text("why")}
	n, err := v.deps.Desk.Expel(ctx, v.by(), pk, ban, erase)
	if !erase {
		return "The author is banned, and what is reported of them is closed.", err
	}
	return fmt.Sprintf("The author is banned. %d stored events were removed so far.", n), err
}

func unbanAuthor(ctx context.Context, v *visit, f form) (string, error) {
	pk, err := f.key("key")
	if err != nil {
		return "", err
	}
	return "The ban is lifted. What was erased does not come back by itself.", v.deps.Desk.UnbanAuthor(ctx, v.by(), pk, f.text("why"))
}

func dismiss(ctx context.Context, v *visit, f form) (string, error) {
	pk, err := f.key("key")
	if err != nil {
		return "", err
	}
	return "What is reported of this author is closed.", v.deps.Desk.DismissReports(ctx, v.by(), pk, f.text("why"))
}

func blockAddress(ctx context.Context, v *visit, f form) (string, error) {
	p, err := prefix(f.text("address"))
	if err != nil {
		return "", err
	}
	return "No client from there can connect any more.", v.deps.Desk.BlockAddress(ctx, v.by(), p, f.text("why"))
}

func unblockAddress(ctx context.Context, v *visit, f form) (string, error) {
	p, err := prefix(f.text("address"))
	if err != nil {
		return "", err
	}
	return "Clients from there can connect again.", v.deps.Desk.UnblockAddress(ctx, v.by(), p, f.text("why"))
}

// prefix reads an address or a network.
func prefix(text string) (netip.Prefix, error) {
	if strings.Contains(text, "/") {
		p, err := netip.ParsePrefix(text)
		return p, asked("the network", err)
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, asked("the address", err)
	}
	a = a.WithZone("")
	return netip.PrefixFrom(a, a.BitLen()), nil
}
