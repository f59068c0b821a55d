package manage

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"moa/nips/event"
	"moa/nips/nip86"
	"moa/relay/desk"
	"moa/store/state"
)

// action is what a method does.
type action struct {
	right desk.Right
	do    func(ctx context.Context, d *Door, by state.Actor, c *nip86.Call) (any, error)
}

// actions are what there is besides supportedmethods.
var actions = map[string]action{
	nip86.BanPubKey:         {desk.Authors, changes(ban)},
	nip86.UnbanPubKey:       {desk.Authors, changes(unban)},
	nip86.ListBannedPubKeys: {desk.Authors, listBanned},

	nip86.AllowPubKey:        {desk.People, changes(allow)},
	nip86.UnallowPubKey:      {desk.People, changes(unallow)},
	nip86.ListAllowedPubKeys: {desk.People, listAllowed},

	nip86.CreateRole:   {desk.Roles, changes(createRole)},
	nip86.EditRole:     {desk.Roles, changes(editRole)},
	nip86.DeleteRole:   {desk.Roles, changes(deleteRole)},
	nip86.AssignRole:   {desk.Roles, changes(assignRole)},
	nip86.UnassignRole: {desk.Roles, changes(unassignRole)},

	nip86.ListEventsNeedingModeration: {desk.Events, listOpenEvents},
	nip86.AllowEvent:                  {desk.Events, changes(allowEvent)},
	nip86.BanEvent:                    {desk.Events, changes(banEvent)},
	nip86.UnbanEvent:                  {desk.Events, changes(unbanEvent)},
	nip86.ListBannedEvents:            {desk.Events, listBannedEvents},

	nip86.ChangeRelayName:        {desk.Settings, changes(set(state.SettingName))},
	nip86.ChangeRelayDescription: {desk.Settings, changes(set(state.SettingDescription))},
	nip86.ChangeRelayIcon:        {desk.Settings, changes(set(state.SettingIcon))},
	nip86.ResetSetting:           {desk.Settings, changes(reset)},

	nip86.AllowKind:           {desk.Kinds, changes(setKind(true))},
	nip86.DisallowKind:        {desk.Kinds, changes(setKind(false))},
	nip86.ListAllowedKinds:    {desk.Kinds, listAllowedKinds},
	nip86.ListDisallowedKinds: {desk.Kinds, listDisallowedKinds},

	nip86.BlockIP:        {desk.Addresses, changes(blockIP)},
	nip86.UnblockIP:      {desk.Addresses, changes(unblockIP)},
	nip86.ListBlockedIPs: {desk.Addresses, listBlocked},
}

type change func(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error

// changes is a method whose answer is true.
func changes(f change) func(context.Context, *Door, state.Actor, *nip86.Call) (any, error) {
	return func(ctx context.Context, d *Door, by state.Actor, c *nip86.Call) (any, error) {
		if err := f(ctx, d.Desk, by, c); err != nil {
			return nil, err
		}
		return true, nil
	}
}

// ban also ends a membership, as the NIP has it.
func ban(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	_, err := d.Expel(ctx, by, c.PubKey, state.Ban{Why: c.Reason}, c.Options.Erase)
	return err
}

func unban(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.UnbanAuthor(ctx, by, c.PubKey, c.Reason)
}

// allow also lifts a ban, as the NIP has it.
func allow(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	if err := d.Admit(ctx, by, c.PubKey, c.Reason); !errors.Is(err, state.ErrMember) {
		return err
	}
	return nil
}

func unallow(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.RemoveMember(ctx, by, c.PubKey, c.Reason)
}

func allowEvent(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.ClearEvent(ctx, by, c.ID, c.Reason)
}

func banEvent(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	_, err := d.RemoveEvent(ctx, by, c.ID, c.Reason)
	return err
}

func unbanEvent(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.AllowEvent(ctx, by, c.ID, c.Reason)
}

func blockIP(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.BlockAddress(ctx, by, c.Prefix, c.Reason)
}

func unblockIP(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.UnblockAddress(ctx, by, c.Prefix, c.Reason)
}

func set(name string) change {
	return func(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
		return d.Set(ctx, by, name, c.Text)
	}
}

// kindSetting stands before a kind in what is reset.
const kindSetting = "kind:"

func reset(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	number, ok := strings.CutPrefix(c.Text, kindSetting)
	if !ok {
		return d.Reset(ctx, by, c.Text)
	}
	kind, err := strconv.ParseUint(number, 10, 16)
	if err != nil {
		return &nip86.Error{Text: "want a kind as kind:1984"}
	}
	return d.ResetKind(ctx, by, uint16(kind))
}

func setKind(allowed bool) change {
	return func(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
		return d.SetKind(ctx, by, c.Kind, allowed)
	}
}

func createRole(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.CreateRole(ctx, by, state.Role(c.Role))
}

func editRole(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.EditRole(ctx, by, state.Role(c.Role))
}

func deleteRole(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.DeleteRole(ctx, by, c.Role.ID)
}

func assignRole(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.AssignRole(ctx, by, c.PubKey, c.Role.ID)
}

func unassignRole(ctx context.Context, d *desk.Desk, by state.Actor, c *nip86.Call) error {
	return d.UnassignRole(ctx, by, c.PubKey, c.Role.ID)
}

func listBanned(_ context.Context, d *Door, _ state.Actor, c *nip86.Call) (any, error) {
	list := []nip86.PubKeyReason{}
	for _, b := range d.Desk.BannedAuthors() {
		list = append(list, nip86.PubKeyReason{PubKey: b.Author, Reason: b.Why})
	}
	slices.SortFunc(list, func(a, b nip86.PubKeyReason) int { return event.ComparePubKeys(a.PubKey, b.PubKey) })
	return page(list, c.Options, func(one nip86.PubKeyReason) string { return one.PubKey.String() }), nil
}

// listAllowed are the members, the newest first.
func listAllowed(ctx context.Context, d *Door, _ state.Actor, c *nip86.Call) (any, error) {
	q := state.MemberQuery{Limit: c.Options.Limit}
	if c.Options.After != "" {
		pk, err := event.ParsePubKey(c.Options.After)
		if err != nil {
			return nil, &nip86.Error{Text: "after: " + err.Error()}
		}
		last, is, err := d.Desk.State().Membership(ctx, pk)
		if err != nil {
			return nil, err
		}
		if !is {
			return nil, &nip86.Error{Text: "after: this is no member any more, begin again"}
		}
		q.Before = last.Nth
	}
	members, err := d.Desk.State().Members(ctx, q)
	list := []nip86.PubKeyReason{}
	for _, m := range members {
		list = append(list, nip86.PubKeyReason{PubKey: m.PubKey, Reason: m.Note})
	}
	return list, err
}

func listOpenEvents(_ context.Context, d *Door, _ state.Actor, c *nip86.Call) (any, error) {
	list := []nip86.EventReason{}
	for _, r := range d.Desk.OpenEvents() {
		list = append(list, nip86.EventReason{ID: r.ID, Reason: r.Why})
	}
	return page(list, c.Options, eventKey), nil
}

func listBannedEvents(_ context.Context, d *Door, _ state.Actor, c *nip86.Call) (any, error) {
	list := []nip86.EventReason{}
	for _, r := range d.Desk.RuledEvents() {
		list = append(list, nip86.EventReason{ID: r.ID, Reason: r.Why})
	}
	slices.SortFunc(list, func(a, b nip86.EventReason) int { return event.CompareIDs(a.ID, b.ID) })
	return page(list, c.Options, eventKey), nil
}

func eventKey(one nip86.EventReason) string { return one.ID.String() }

// listBlocked is sorted as texts are, so that a page can follow another.
func listBlocked(_ context.Context, d *Door, _ state.Actor, c *nip86.Call) (any, error) {
	list := []nip86.AddressReason{}
	for _, b := range d.Desk.BlockedAddresses() {
		ip := b.Prefix.String()
		if b.Prefix.IsSingleIP() {
			ip = b.Prefix.Addr().String()
		}
		list = append(list, nip86.AddressReason{IP: ip, Reason: b.Why})
	}
	key := func(one nip86.AddressReason) string { return one.IP }
	slices.SortFunc(list, func(a, b nip86.AddressReason) int { return strings.Compare(key(a), key(b)) })
	return page(list, c.Options, key), nil
}

// listAllowedKinds are those that are accepted, if there is a list of them. Where the
// configuration accepts all, they are those that were allowed through a door.
func listAllowedKinds(_ context.Context, d *Door, _ state.Actor, _ *nip86.Call) (any, error) {
	accepted, _ := d.Kinds()
	return d.kinds(accepted, true), nil
}

func listDisallowedKinds(_ context.Context, d *Door, _ state.Actor, _ *nip86.Call) (any, error) {
	_, refused := d.Kinds()
	return d.kinds(refused, false), nil
}

// kinds are those of a list of the configuration, with what was decided about others.
func (d *Door) kinds(configured []uint16, allowed bool) []uint16 {
	list := append([]uint16{}, configured...)
	for kind, is := range d.Desk.State().Kinds() {
		at := slices.Index(list, kind)
		switch {
		case is == allowed && at < 0:
			list = append(list, kind)
		case is != allowed && at >= 0:
			list = slices.Delete(list, at, at+1)
		}
	}
	slices.Sort(list)
	return list
}
