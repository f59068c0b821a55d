// Package relay is the relay's engine: it takes what clients send through the
// policies to the store, and gives them what they ask for, stored and live. It
// serves one HTTP endpoint. It does not open the store, choose the policies or
// read a config file; cmd/moa does.
package relay

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/event"
	"moa/nips/nip98"
	"moa/nips/sig"
	"moa/policy"
	"moa/relay/places"
	"moa/relay/replay"
	"moa/relay/ws"
	"moa/store"
)

// Deps are the parts that a Server works with.
type Deps struct {
	// Store is written by this Server only. Its opener closes it, after Run
	// has returned.
	Store store.Store
	// Chain is asked about everything. nil: messages are private (NIP-17), what is
	// from the future is refused, and everything else is accepted.
	Chain    *policy.Chain
	Verifier sig.Verifier
	Log      *slog.Logger         // nil: none
	Metrics  *prometheus.Registry // nil: there are none
	Now      func() time.Time     // nil: time.Now
	// Handler answers requests that are not the relay's own: other paths, and
	// on "/" every method but GET, HEAD and OPTIONS. It sees them as they would
	// be without proxies. nil: 404 and 405.
	Handler http.Handler
	// Identity is the relay's own key: NIP-11's `self`, and what signs the event
	// about the relay. nil: it has none.
	Identity *Identity
	// Members decides about requests to join and to leave (NIP-43). nil: they are
	// refused.
	Members MemberDesk
	// Manager makes the calls of the management API (NIP-86). nil: there is none.
	Manager Manager
	// AdminPage is shown to operators at /admin while Config.Admin names somebody. nil:
	// there is none.
	AdminPage AdminPage
	// Settings are those of the configuration that operators have changed. nil: none.
	Settings func() Overrides
	// Vanished is called when a request to vanish was stored (NIP-62), and must return
	// at once. nil: nobody is told.
	Vanished func()
	// Push brings an event to the relay at url. nil: the event about this relay
	// goes to no other.
	Push func(ctx context.Context, url string, e *event.Event) error
	// Describe changes the information document (NIP-11) that is sent and shown
	// for a request, which it sees like Handler. nil: nothing is changed.
	Describe func(r *http.Request, document []byte) ([]byte, error)
}

// Server is one relay. What goes through it, from the socket to the disk and back:
//
//	an EVENT  session -> policies, early -> verifier -> policies, late -> ingest -> store
//	live      ingest -> fanout -> hub.Index -> policies on deliveries -> outbox -> socket
//	a REQ     session -> policies on filters -> queries <- store; queries -> outbox -> socket
//
// These parts stand in files that refer to each other one way:
//
//	a connection  http.go, connect.go, session.go, sessionlife.go, endreasons.go
//	an EVENT      messages.go, events.go, verifier.go, ingest.go, commit.go, ticket.go
//	the fan-out   fanout.go, deliver.go, sink.go, liveevent.go
//	a REQ         req.go, subscriptions.go, pageturns.go, scheduler.go, query.go
//	other reads   count.go, countqueue.go, negentropy.go, syncs.go, visit.go
//	rights        filters.go, readright.go, storequery.go
//	members       memberdesk.go, members.go, ownevents.go, ownstored.go
//	operators     calls.go, callurls.go, adminpage.go, manager.go, overrides.go, removal.go,
//	              connections.go, figures.go
//	the process   newserver.go, run.go, reload.go, shutdown.go
type Server struct {
	shared

	// Fixed once made.
	deps    Deps
	conns   *conns
	keeper  *ws.Keeper
	watcher *ws.Watcher // nil: there is none on this system
	replay  *replay.Buffer
	places  places.Handler
	callers nip98.Seen
	signIns requests           // to the page for operators
	visits  chan struct{}      // those that are under way. Full: no more are let in
	self    *selfPublisher     // nil: the relay publishes nothing about itself
	end     context.CancelFunc // ends shared.life

	upgrade   atomic.Pointer[ws.Options]
	ready     atomic.Bool
	proxies   proxies
	chains    chainRunner
	reloading sync.Mutex // one Reload at a time
	relieving sync.Mutex // held to end connections for which too much waits

	// Owned by Listen, then by Run.
	ln      net.Listener
	opsLn   net.Listener // nil: metrics are served beside the relay
	servers []*http.Server
}
