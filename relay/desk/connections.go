package desk

import (
	"context"
	"net/netip"

	"moa/store/state"
)

// Connected is an open connection.
type Connected struct {
	ID      uint64
	Address netip.Addr
}

// Disconnect ends one connection.
func (d *Desk) Disconnect(ctx context.Context, by state.Actor, id uint64, why string) error {
	for _, c := range d.deps.Connected() {
		if c.ID == id {
			p, err := c.Address.Unmap().Prefix(c.Address.Unmap().BitLen())
			if err != nil {
				return err
			}
			_, err = d.disconnect(ctx, by, p, []uint64{id}, why)
			return err
		}
	}
	return wrong("there is no connection %d", id)
}

// DisconnectAddress ends all connections from there, and returns how many. Their clients
// may connect again: BlockAddress keeps them out.
func (d *Desk) DisconnectAddress(ctx context.Context, by state.Actor, p netip.Prefix, why string) (ended int, err error) {
	if !p.IsValid() {
		return 0, wrong("that is no address and no network")
	}
	p = unmapped(p)
	var ids []uint64
	for _, c := range d.deps.Connected() {
		if p.Contains(c.Address.Unmap()) {
			ids = append(ids, c.ID)
		}
	}
	if len(ids) == 0 {
		return 0, wrong("there is no connection from %s", p)
	}
	return d.disconnect(ctx, by, p, ids, why)
}

func (d *Desk) disconnect(ctx context.Context, by state.Actor, p netip.Prefix, ids []uint64, why string) (ended int, err error) {
	if err := d.deps.State.Disconnect(ctx, by, p, len(ids), why); err != nil {
		return 0, err
	}
	ended = d.deps.Disconnect(ids)
	d.logged(by, "disconnect", "address", p, "connections", ended, "note", why)
	return ended, nil
}
