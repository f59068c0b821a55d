// Package relayurl compares relay URLs that are written in different ways.
package relayurl

import (
	"errors"
	"net/url"
	"strings"
)

// Location is where a relay URL points, without what clients write as they
// please: the scheme (ws or wss: a proxy may end TLS), the letters' case, a
// default port, slashes at the end. Locations are compared with ==.
type Location struct {
	Host string // lower case, with a port if it is neither 80 nor 443
	Path string // "" or /…, without a slash at the end
}

func (l Location) String() string { return l.Host + l.Path }

// Name returns the host without its port, and an IPv6 address without brackets.
func (l Location) Name() string {
	return strings.Trim(strings.TrimSuffix(l.Host, ":"+l.Port()), "[]")
}

// Port returns the port, "" for 80 and 443.
func (l Location) Port() string {
	if i := strings.LastIndexByte(l.Host, ':'); i > strings.LastIndexByte(l.Host, ']') {
		return l.Host[i+1:]
	}
	return ""
}

var errURL = errors.New("not a relay URL")

// Parse reads a URL of scheme ws, wss, http or https, or with none at all.
// Query and fragment do not count.
func Parse(raw string) (Location, error) {
	if !strings.Contains(raw, "://") {
		raw = "wss://" + raw
	}
	u, err := url.Parse(raw)
	if err != nil || u.User != nil || u.Hostname() == "" {
		return Location{}, errURL
	}
	switch u.Scheme { // in lower case already
	case "ws", "wss", "http", "https":
	default:
		return Location{}, errURL
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(host, ":") { // IPv6
		host = "[" + host + "]"
	}
	if port := u.Port(); port != "" && port != "80" && port != "443" {
		host += ":" + port
	}
	return Location{Host: host, Path: strings.TrimRight(u.Path, "/")}, nil
}
