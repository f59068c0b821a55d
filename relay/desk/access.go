package desk

import (
	"cmp"
	"context"
	"net/netip"
	"slices"

	"moa/store/state"
)

// BlockAddress lets no client from there connect, and ends the connections from there.
func (d *Desk) BlockAddress(ctx context.Context, by state.Actor, p netip.Prefix, why string) error {
	if !p.IsValid() {
		return wrong("that is no address and no network")
	}
	p = unmapped(p)
	if p.Bits() == 0 {
		return wrong("%s is everybody", p)
	}
	if err := d.deps.State.BlockAddress(ctx, by, p, why); err != nil {
		return err
	}
	d.decided(by, "block address", "address", p, "note", why)
	return nil
}

// UnblockAddress takes back exactly what BlockAddress was told.
func (d *Desk) UnblockAddress(ctx context.Context, by state.Actor, p netip.Prefix, why string) error {
	if !p.IsValid() {
		return wrong("that is no address and no network")
	}
	p = unmapped(p)
	if err := d.deps.State.UnblockAddress(ctx, by, p, why); err != nil {
		return err
	}
	d.decided(by, "unblock address", "address", p, "note", why)
	return nil
}

// unmapped is the prefix in the form in which clients' addresses are compared.
func unmapped(p netip.Prefix) netip.Prefix {
	if a := p.Addr(); a.Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(a.Unmap(), p.Bits()-96)
	}
	return p.Masked()
}

// Blocked is an address or a network.
type Blocked struct {
	Prefix netip.Prefix
	Why    string
}

// BlockedAddresses are sorted.
func (d *Desk) BlockedAddresses() (list []Blocked) {
	for p, why := range d.deps.State.Addresses() {
		list = append(list, Blocked{p, why})
	}
	slices.SortFunc(list, func(a, b Blocked) int {
		return cmp.Or(a.Prefix.Addr().Compare(b.Prefix.Addr()), cmp.Compare(a.Prefix.Bits(), b.Prefix.Bits()))
	})
	return list
}

// SetKind allows a kind, or does not, whatever the configuration says.
func (d *Desk) SetKind(ctx context.Context, by state.Actor, kind uint16, allowed bool) error {
	if err := d.deps.State.SetKind(ctx, by, kind, allowed); err != nil {
		return err
	}
	d.decided(by, "set kind", "kind", kind, "allowed", allowed)
	return nil
}

// ResetKind lets the configuration decide about a kind again.
func (d *Desk) ResetKind(ctx context.Context, by state.Actor, kind uint16) error {
	if err := d.deps.State.ResetKind(ctx, by, kind); err != nil {
		return err
	}
	d.decided(by, "reset kind", "kind", kind)
	return nil
}

// settings are those that doors may change.
var settings = []string{state.SettingName, state.SettingDescription, state.SettingIcon}

// Set changes a setting, one of the names in package state. It stands over the
// configuration until it is reset.
func (d *Desk) Set(ctx context.Context, by state.Actor, name, value string) error {
	if !slices.Contains(settings, name) {
		return wrong("there is no setting %q", name)
	}
	if err := d.deps.State.Set(ctx, by, name, value); err != nil {
		return err
	}
	d.decided(by, "set", "setting", name, "value", value)
	return nil
}

// Reset lets the configuration decide about a setting again.
func (d *Desk) Reset(ctx context.Context, by state.Actor, name string) error {
	if !slices.Contains(settings, name) {
		return wrong("there is no setting %q", name)
	}
	if err := d.deps.State.Reset(ctx, by, name); err != nil {
		return err
	}
	d.decided(by, "reset", "setting", name)
	return nil
}
