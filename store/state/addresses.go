package state

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"net/netip"
)

// Address says whether an address is blocked, alone or with its network, and why. It
// takes no lock.
func (s *Store) Address(ip netip.Addr) (why string, blocked bool) {
	return s.memory.addresses.Load().find(ip.Unmap())
}

// Addresses are the blocked ones, and why each is.
func (s *Store) Addresses() map[netip.Prefix]string {
	return maps.Clone(s.memory.addresses.Load().why)
}

// BlockAddress lets no client from there in.
func (s *Store) BlockAddress(ctx context.Context, by Actor, p netip.Prefix, why string) error {
	p = p.Masked()
	return s.make(ctx, entry{
		by: by, verb: "block address", subject: p.String(), why: why,
		write: func(tx *sql.Tx, at int64) (any, any, error) {
			was, err := addressOf(ctx, tx, p)
			if err == nil {
				_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO address (prefix, at, why) VALUES (?, ?, ?)", p.String(), at, why)
			}
			return was, why, err
		},
		remember: func(int64) { s.changeAddresses(func(all map[netip.Prefix]string) { all[p] = why }) },
	})
}

// UnblockAddress lets clients from there in again. It takes back exactly what
// BlockAddress was told.
func (s *Store) UnblockAddress(ctx context.Context, by Actor, p netip.Prefix, why string) error {
	p = p.Masked()
	return s.make(ctx, entry{
		by: by, verb: "unblock address", subject: p.String(), why: why,
		write: func(tx *sql.Tx, _ int64) (any, any, error) {
			was, err := addressOf(ctx, tx, p)
			if err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM address WHERE prefix = ?", p.String())
			}
			return was, nil, err
		},
		remember: func(int64) { s.changeAddresses(func(all map[netip.Prefix]string) { delete(all, p) }) },
	})
}

// Disconnect records that connections from there are ended. It changes nothing else.
func (s *Store) Disconnect(ctx context.Context, by Actor, p netip.Prefix, connections int, why string) error {
	return s.make(ctx, entry{
		by: by, verb: "disconnect", subject: p.String(), why: why,
		write:    func(*sql.Tx, int64) (any, any, error) { return nil, connections, nil },
		remember: func(int64) {},
	})
}

func (s *Store) changeAddresses(f func(map[netip.Prefix]string)) {
	all := s.Addresses()
	f(all)
	s.memory.addresses.Store(newNetworks(all))
}

// addressOf returns why the prefix is blocked, or an untyped nil.
func addressOf(ctx context.Context, tx *sql.Tx, p netip.Prefix) (any, error) {
	var why string
	err := tx.QueryRowContext(ctx, "SELECT why FROM address WHERE prefix = ?", p.String()).Scan(&why)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, nil
	}
	return why, err
}

func (s *Store) loadAddresses(ctx context.Context) (map[netip.Prefix]string, error) {
	all := map[netip.Prefix]string{}
	rows, err := s.db.QueryContext(ctx, "SELECT prefix, why FROM address")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var text, why string
		if err = scan(&text, &why); err != nil {
			return none, err
		}
		p, err := netip.ParsePrefix(text)
		all[p] = why
		return none, err
	})
	return all, err
}
