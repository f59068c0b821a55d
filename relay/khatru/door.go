// Package khatru is the door through which policies and hooks written for
// github.com/fiatjaf/khatru (v0.19.1) plug into moa unchanged: moa's engine
// serves the socket, stores the events and answers the queries; the hooks of a
// *khatru.Relay decide.
//
// It is the only package that imports khatru. It does not use khatru's engine:
// no listener, no websocket, no goroutine a message. Hooks that would replace
// moa's store (StoreEvent, QueryEvents, …) are refused by New with an error
// that names them, and the relay's methods that reach that engine (Start,
// AddEvent, BroadcastEvent) reach nobody.
//
// What differs from khatru, for its users' good: RejectFilter is asked about
// COUNT and `limit:0` too. OnEventSaved and OnEphemeralEvent run after the
// commit on a goroutine of their own, one event after the other, and their
// context outlives the connection. An event that is refused, stale, a duplicate
// or deleted reaches none of the hooks behind RejectEvent.
//
// PreventBroadcast runs where all live events pass, once for each connection:
// it must look at what it is given and return, and never wait for anything. A
// hook of one connection must not wait for that connection to authenticate, for
// identities change between hooks; a goroutine that it starts may.
package khatru

import (
	"context"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fiatjaf/khatru"
	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip11"

	"moa/nips/event"
	"moa/nips/nip98"
	"moa/policy"
)

// Options are what a *khatru.Relay does not say of itself.
type Options struct {
	// URL is the relay's public ws:// or wss:// URL. "": the ServiceURL of the
	// *khatru.Relay, and if there is none the host that is asked for.
	URL string
	// Admins may call the management API (NIP-86). None: nobody may. With some,
	// there must be a URL: a call is signed for one, and without it a client that sends
	// the Host header of another relay could use here what was signed for that one.
	Admins []event.PubKey
}

// Door is a *khatru.Relay as a policy of moa. It takes copies of the hook
// lists at New: a hook appended later is not called. One door serves one relay
// for as long as it runs, also when its chain is replaced.
type Door struct {
	// Fixed once made.
	hooks
	rl   *khatru.Relay
	o    Options
	keys contextKeys
	mint *mint
	life context.Context // of what hooks do; ends with Close
	end  context.CancelFunc

	callers nip98.Seen
	conns   sync.Map // of uint64 (policy.Client.ID) to *conn
	live    lastEvent
	backlog backlog
	report  atomic.Pointer[func(value any)] // told of panics that no chain sees; nil: nobody
}

var _ interface {
	policy.LatePolicy
	policy.FilterPolicy
	policy.SubIDPolicy
	policy.CountPolicy
	policy.Rewriter
	policy.LivePolicy
	policy.ConnPolicy
	policy.Observer
	policy.PanicReporter
} = (*Door)(nil)

// hooks are the lists that the door calls.
type hooks struct {
	rejectEvent       []func(context.Context, *nostr.Event) (bool, string)
	rejectFilter      []func(context.Context, nostr.Filter) (bool, string)
	rejectCountFilter []func(context.Context, nostr.Filter) (bool, string)
	overwriteFilter   []func(context.Context, *nostr.Filter)
	rejectConnection  []func(*http.Request) bool
	onConnect         []func(context.Context)
	onDisconnect      []func(context.Context)
	onEventSaved      []func(context.Context, *nostr.Event)
	onEphemeralEvent  []func(context.Context, *nostr.Event)
	preventBroadcast  []func(*khatru.WebSocket, *nostr.Event) bool
	overwriteInfo     []func(context.Context, *http.Request, nip11.RelayInformationDocument) nip11.RelayInformationDocument
}

// Close waits until the OnEventSaved and OnEphemeralEvent hooks of all events
// have run, or until ctx ends, which is an error if some have not. It is called
// once the relay has ended.
func (d *Door) Close(ctx context.Context) error {
	defer d.end()
	return d.backlog.close(ctx)
}

// baseURL is the http:// or https:// URL of the relay, without a slash at its
// end.
func (d *Door) baseURL(r *http.Request) string {
	url := d.o.URL
	if url == "" {
		scheme := "http://"
		if r.TLS != nil || r.Header.Get("X-Forwarded-Proto") == "https" { // which the engine has checked
			scheme = "https://"
		}
		url = scheme + r.Host
	}
	if rest, ok := strings.CutPrefix(url, "ws"); ok {
		url = "http" + rest
	}
	return strings.TrimRight(url, "/")
}
