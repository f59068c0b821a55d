package relay

import (
	"log/slog"
	"net/http"
	"net/netip"
	"sync/atomic"

	"moa/relay/origin"
)

// proxies is what is known of proxies that the configuration does not name.
type proxies struct {
	log *slog.Logger

	here  atomic.Bool // one on this machine forwards what others send
	noted atomic.Bool // the operator was told of one that should be trusted
}

// originOf is the origin of a connection or question, and notes what a request
// tells about proxies.
func (p *proxies) originOf(r *http.Request, cfg *Config) origin.Origin {
	p.note(r, cfg.TrustedProxies)
	from := origin.Of(r, cfg.TrustedProxies)
	from.Local = from.IP.IsLoopback() && cfg.URL == "" && len(cfg.TrustedProxies) == 0 && !p.here.Load()
	return from
}

// note notes that a proxy on this machine forwards what others send: from then
// on no connection is taken for this machine's own, which has no bounds of one
// address. It tells the operator, once, of a proxy nearby that is not trusted.
func (p *proxies) note(r *http.Request, trusted []netip.Prefix) {
	peer := origin.Peer(r.RemoteAddr)
	if !peer.IsLoopback() && !peer.IsPrivate() || origin.Trusted(peer, trusted) || !origin.Forwarded(r.Header) {
		return
	}
	if peer.IsLoopback() {
		p.here.Store(true)
	}
	if !p.noted.Swap(true) {
		p.log.Warn("a proxy that is not trusted: its clients are taken for one and share its limits; name it in trusted_proxies", "peer", peer)
	}
}
