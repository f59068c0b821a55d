package main

import (
	"net/netip"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/sys/unix"

	"moa/nips/event"
	"moa/policy"
	"moa/relay/web/admin"
)

// adminPage is the page for operators of this relay.
func (in *instance) adminPage(metrics *prometheus.Registry) *admin.Pages {
	started, dir := time.Now(), in.cfg.Data
	return admin.New(admin.Deps{
		Desk: in.desk, Rank: in.rank, Log: in.log, Metrics: metrics, Now: time.Now,
		Readable: func(pk event.PubKey, e *event.Event) bool {
			chain, _ := in.force.get()
			return chain.Deliver(operator{pk}, e)
		},
		Look: func() admin.Figures {
			f := in.server.Figures()
			return admin.Figures{
				Connections: f.Connections, Taken: f.Taken, Events: f.Store.Events, Bytes: f.Store.Bytes, Free: freeBytes(dir),
				Started: started, Backup: lastBackup(dir), Troubles: f.Troubles, Overridden: overridden(in.state),
			}
		},
	})
}

// freeBytes is what is left on dir's disk; -1: that is not known.
func freeBytes(dir string) int64 {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return -1
	}
	return int64(st.Bavail) * int64(st.Bsize) //nolint:unconvert // another width on other systems
}

// operator is somebody that looks at an event on the page, as policies see a client.
type operator struct{ key event.PubKey }

var _ policy.Client = operator{}

func (operator) ID() uint64               { return 0 }
func (operator) IP() (ip netip.Addr)      { return ip }
func (operator) Host() string             { return "" }
func (operator) Path() string             { return "" }
func (o operator) Authed() []event.PubKey { return []event.PubKey{o.key} }
