package client

import (
	"net"
	"net/url"
	"strconv"
)

// perSource is how many connections share a local address: a local port can
// serve only one connection to the same relay, and there are about 28,000.
const perSource = 20000

// Loopback reports whether the URL names this machine's loopback.
func Loopback(target string) bool {
	u, err := url.Parse(target)
	if err != nil {
		return false
	}
	if u.Hostname() == "localhost" {
		return true
	}
	ip := net.ParseIP(u.Hostname())
	return ip != nil && ip.IsLoopback()
}

// Source returns the local address for connection number n to the target, ""
// if any will do: IPv4's loopback has many addresses.
func Source(target string, n int) string {
	u, err := url.Parse(target)
	if err != nil || n < perSource {
		return ""
	}
	ip := net.ParseIP(u.Hostname()).To4()
	if ip == nil || !ip.IsLoopback() {
		return ""
	}
	return "127.0.1." + strconv.Itoa(n/perSource%250+1)
}
