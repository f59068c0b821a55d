package relay

import (
	"net/netip"
	"time"

	"moa/relay/shares"
)

// account is what one address holds: IPv6 by /64. It lives as long as a
// connection from there. Clients on this machine have one that only the totals
// bind.
type account struct {
	*shares.Account
	accountKey
	payer
	pace pace

	uses int // connections, guarded by conns.mu
}

// accountKey tells accounts apart.
type accountKey struct {
	net  netip.Addr
	free bool
}

func newAccount(l *shares.Ledger, key accountKey) *account {
	a := &account{Account: l.NewAccount(key.free), accountKey: key}
	if !key.free {
		a.slots.most = slotsOfOne()
	}
	return a
}

// charge takes n messages into account.
func (a *account) charge(n int) {
	if a.slots.most > 0 {
		a.pace.charge(time.Since(paceBegan), time.Duration(n)*messageWork/time.Duration(a.slots.most))
	}
}
