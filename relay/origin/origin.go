// Package origin reads where a request comes from and where its client believes
// to have gone, with trusted proxies seen through. It keeps nothing.
package origin

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
	"unique"
)

// Origin is where a connection comes from and where it believes to have gone.
type Origin struct {
	IP netip.Addr             // invalid if even the peer's address cannot be read
	To unique.Handle[Address] // many connections share one
	// Local: it is on this machine, and no bound of one address is meant for it.
	Local bool
}

// Address is where a client has connected to, as far as it knows.
type Address struct {
	URL  string // ws://… or wss://…, lower case, without a path
	Host string // of URL, without its port
	Path string // of a policy.AddressPolicy; "" at the relay's own
}

// Of reads a request. Its forwarding headers count only if the peer is a
// trusted proxy.
func Of(r *http.Request, trusted []netip.Prefix) Origin {
	peer := Peer(r.RemoteAddr)
	host, secure := r.Host, r.TLS != nil
	ip := peer
	if Trusted(peer, trusted) {
		hops := forwardedFor(r.Header)
		ip = client(peer, hops, trusted)
		host, secure = forwardedTo(r.Header, host, secure)
	}
	scheme := "ws://"
	if secure {
		scheme = "wss://"
	}
	host = strings.ToLower(host)
	return Origin{IP: ip, To: unique.Make(Address{URL: scheme + host, Host: Name(host)})}
}

// Direct returns r as it would be without proxies, and without what a client
// says about some: from the client's address, to the host that it asked for.
// X-Forwarded-Proto says which scheme that was.
func Direct(r *http.Request, trusted []netip.Prefix) *http.Request {
	o := Of(r, trusted)
	r = r.Clone(r.Context())
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Forwarded-Host"} {
		r.Header.Del(name)
	}
	scheme, host, _ := strings.Cut(o.To.Value().URL, "://")
	r.Host = host
	r.Header.Set("X-Forwarded-Proto", "http"+strings.TrimPrefix(scheme, "ws"))
	if o.IP.IsValid() && o.IP != Peer(r.RemoteAddr) {
		r.RemoteAddr = netip.AddrPortFrom(o.IP, 0).String()
	}
	return r
}

// Peer reads the address of an http.Request.RemoteAddr or net.Addr. It is invalid if
// there is none.
func Peer(hostport string) netip.Addr {
	ap, err := netip.ParseAddrPort(hostport)
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr().Unmap().WithZone("")
}

// Trusted reports an address of a trusted proxy.
func Trusted(ip netip.Addr, trusted []netip.Prefix) bool {
	for _, p := range trusted {
		if p.Contains(ip) {
			return true
		}
	}
	return false
}

// client walks the hops from the nearest to the farthest as long as they are
// trusted: the first that is not is the client. Anybody may have written what
// stands to the left of it. A hop that is no address ends the walk at the last
// proxy that is known.
func client(peer netip.Addr, hops []string, trusted []netip.Prefix) netip.Addr {
	ip := peer
	for i := len(hops) - 1; i >= 0; i-- {
		hop, ok := parseHop(hops[i])
		if !ok {
			return ip
		}
		ip = hop
		if !Trusted(ip, trusted) {
			return ip
		}
	}
	return ip
}

// forwardedFor lists the hops, nearest last, from the first of the headers
// X-Forwarded-For, Forwarded (RFC 7239) and X-Real-IP that is there: most
// proxies write the first, and forward what a client made up of the others.
func forwardedFor(h http.Header) []string {
	if lines := h.Values("X-Forwarded-For"); len(lines) > 0 {
		return elements(lines)
	}
	if lines := h.Values("Forwarded"); len(lines) > 0 {
		var hops []string
		for _, e := range elements(lines) {
			v, _ := parameter(e, "for")
			hops = append(hops, v)
		}
		return hops
	}
	if ip := h.Get("X-Real-Ip"); ip != "" {
		return []string{ip}
	}
	return nil
}

// forwardedTo returns the host and scheme that the nearest proxy was asked for.
func forwardedTo(h http.Header, host string, secure bool) (string, bool) {
	proto := h.Get("X-Forwarded-Proto")
	if v := h.Get("X-Forwarded-Host"); v != "" {
		host = last(v)
	}
	if all := elements(h.Values("Forwarded")); len(all) > 0 {
		nearest := all[len(all)-1]
		if v, ok := parameter(nearest, "host"); ok {
			host = v
		}
		if v, ok := parameter(nearest, "proto"); ok {
			proto = v
		}
	}
	switch strings.ToLower(last(proto)) {
	case "https", "wss":
		secure = true
	case "http", "ws":
		secure = false
	}
	return host, secure
}

// Forwarded reports headers that a proxy adds.
func Forwarded(h http.Header) bool {
	for _, name := range []string{"X-Forwarded-For", "Forwarded", "X-Real-Ip", "X-Forwarded-Host", "X-Forwarded-Proto", "Via"} {
		if h.Get(name) != "" {
			return true
		}
	}
	return false
}

// elements splits comma-separated header lines.
func elements(lines []string) []string {
	var out []string
	for _, line := range lines {
		for e := range strings.SplitSeq(line, ",") {
			out = append(out, strings.TrimSpace(e))
		}
	}
	return out
}

func last(list string) string {
	return strings.TrimSpace(list[strings.LastIndexByte(list, ',')+1:])
}

// parameter finds name=value in one element of Forwarded.
func parameter(element, name string) (string, bool) {
	for pair := range strings.SplitSeq(element, ";") {
		k, v, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if ok && strings.EqualFold(k, name) {
			return strings.Trim(v, `"`), true
		}
	}
	return "", false
}

// parseHop reads an address with or without port and brackets.
func parseHop(s string) (netip.Addr, bool) {
	if host, _, err := net.SplitHostPort(s); err == nil {
		s = host
	}
	ip, err := netip.ParseAddr(strings.Trim(s, "[]"))
	return ip.Unmap().WithZone(""), err == nil
}

// At is the same origin at a path.
func (o Origin) At(path string) Origin {
	if path != "" {
		a := o.To.Value()
		a.Path = path
		o.To = unique.Make(a)
	}
	return o
}

// Name returns a host without its port.
func Name(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

// Network is what connections are counted by: the address, or of an IPv6
// address the /64, which belongs to one customer.
func Network(ip netip.Addr) netip.Addr {
	if ip.Is6() {
		p, err := ip.Prefix(64)
		if err == nil {
			return p.Addr()
		}
	}
	return ip
}
