package origin

import (
	"net/http"
	"net/netip"
	"testing"
)

func TestOriginBelievesOnlyTrustedProxies(t *testing.T) {
	trusted := []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("::1/128")}
	for _, c := range []struct {
		name, peer string
		header     map[string]string
		ip, url    string
	}{
		{"headers of a peer that is not trusted", "203.0.113.1:5", map[string]string{"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Host": "evil", "X-Forwarded-Proto": "https", "Forwarded": "for=1.2.3.4", "X-Real-Ip": "1.2.3.4"}, "203.0.113.1", "ws://relay.example"},
		{"no headers", "10.0.0.1:5", nil, "10.0.0.1", "ws://relay.example"},
		{"one hop", "10.0.0.1:5", map[string]string{"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}, "1.2.3.4", "wss://relay.example"},
		{"what the client made up", "10.0.0.1:5", map[string]string{"X-Forwarded-For": "9.9.9.9, 1.2.3.4"}, "1.2.3.4", "ws://relay.example"},
		{"a proxy behind a proxy", "10.0.0.1:5", map[string]string{"X-Forwarded-For": "9.9.9.9, 1.2.3.4, 10.0.0.2"}, "1.2.3.4", "ws://relay.example"},
		{"nothing but proxies", "10.0.0.1:5", map[string]string{"X-Forwarded-For": "10.0.0.3, 10.0.0.2"}, "10.0.0.3", "ws://relay.example"},
		{"nonsense", "10.0.0.1:5", map[string]string{"X-Forwarded-For": "1.2.3.4, unknown"}, "10.0.0.1", "ws://relay.example"},
		{"with ports", "10.0.0.1:5", map[string]string{"X-Forwarded-For": "[2001:db8::1]:77"}, "2001:db8::1", "ws://relay.example"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:5", map[string]string{"X-Forwarded-For": "::ffff:1.2.3.4"}, "1.2.3.4", "ws://relay.example"},
		{"Forwarded", "[::1]:5", map[string]string{"Forwarded": `for=9.9.9.9, for="[2001:db8::1]:77";proto=https;host=Pub.example`}, "2001:db8::1", "wss://pub.example"},
		{"Forwarded, hidden", "[::1]:5", map[string]string{"Forwarded": `for=1.2.3.4, for=_hidden`}, "::1", "ws://relay.example"},
		{"X-Real-IP", "10.0.0.1:5", map[string]string{"X-Real-Ip": "1.2.3.4"}, "1.2.3.4", "ws://relay.example"},
		{"host and scheme", "10.0.0.1:5", map[string]string{"X-Forwarded-Host": "made.up, Pub.example:8443", "X-Forwarded-Proto": "http, https"}, "10.0.0.1", "wss://pub.example:8443"},
		{"no address", "@", nil, "invalid IP", "ws://relay.example"},
	} {
		r := &http.Request{RemoteAddr: c.peer, Host: "Relay.example", Header: http.Header{}}
		for k, v := range c.header {
			r.Header.Set(k, v)
		}
		got := Of(r, trusted)
		if got.IP.String() != c.ip || got.To.Value().URL != c.url {
			t.Errorf("%s: %v to %s, want %s to %s", c.name, got.IP, got.To.Value().URL, c.ip, c.url)
		}
	}
}

func TestName(t *testing.T) {
	for host, want := range map[string]string{"a.example:80": "a.example", "a.example": "a.example", "[::1]:7447": "::1", "[::1]": "::1"} {
		if got := Name(host); got != want {
			t.Errorf("%s: %q", host, got)
		}
	}
}
