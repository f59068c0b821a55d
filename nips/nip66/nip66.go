// Package nip66 writes what a relay is like as an event: kind 30166 of NIP-66,
// by which clients find relays. It neither signs nor measures anything.
package nip66

import (
	"errors"
	"net/url"
	"strconv"
	"strings"

	"moa/nips/event"
	"moa/nips/nip11"
)

// KindDiscovery is the kind of an event about a relay; its `d` is the relay's
// URL.
const KindDiscovery = 30166

// Relay is what an event says of a relay. Fields that are empty are left out.
type Relay struct {
	URL       string          // as NormalURL writes it
	Info      *nip11.Document // of which N and R tell
	Document  []byte          // the same as it is served: the event's content
	Accepted  []uint16        // kinds that it takes
	Refused   []uint16        // and that it does not
	Topics    []string
	Languages []string // ISO 639-1: en
	Geohashes []string
}

// Event returns the event, which has neither a time nor an author yet.
func (r *Relay) Event() event.Event {
	e := event.Event{Kind: KindDiscovery, Content: string(r.Document)}
	add := func(tag ...string) { e.Tags = append(e.Tags, tag) }
	add("d", r.URL)
	add("n", Network(r.URL))
	for _, n := range r.Info.NIPs {
		add("N", strconv.Itoa(n))
	}
	if l := r.Info.Limitation; l != nil {
		add("R", unless(l.AuthRequired, "auth"))
		add("R", unless(l.PaymentRequired, "payment"))
		add("R", unless(l.MinPoWDifficulty > 0, "pow"))
		add("R", unless(l.RestrictedWrites, "writes"))
	}
	for _, k := range r.Accepted {
		add("k", strconv.Itoa(int(k)))
	}
	for _, k := range r.Refused {
		add("k", "!"+strconv.Itoa(int(k)))
	}
	for _, t := range r.Topics {
		add("t", t)
	}
	if len(r.Languages) > 0 {
		add("L", languageSpace) // without it a label means nothing (NIP-32)
	}
	for _, l := range r.Languages {
		add("l", l, languageSpace)
	}
	for _, g := range r.Geohashes {
		add("g", g)
	}
	return e
}

const languageSpace = "ISO-639-1"

// unless writes a requirement, with a ! before one that there is not.
func unless(required bool, name string) string {
	if required {
		return name
	}
	return "!" + name
}

var errURL = errors.New("not a ws:// or wss:// URL")

// NormalURL writes a relay's URL as RFC 3986, section 6, has it: scheme and
// host in lower case, no default port, "/" for an empty path. A fragment, a
// query and who is asking are no part of a relay's name.
func NormalURL(raw string) (string, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Scheme != "ws" && u.Scheme != "wss" || u.Hostname() == "" {
		return "", errURL
	}
	host := strings.TrimSuffix(strings.ToLower(u.Hostname()), ".")
	if strings.Contains(host, ":") { // IPv6
		host = "[" + host + "]"
	}
	defaultPort := map[string]string{"ws": "80", "wss": "443"}[u.Scheme]
	if port := u.Port(); port != "" && port != defaultPort {
		host += ":" + port
	}
	normal := url.URL{Scheme: u.Scheme, Host: host, Path: "/" + strings.TrimPrefix(u.Path, "/")}
	return normal.String(), nil
}

// Network says by which network a URL is reached: "clearnet", "tor", "i2p" or
// "loki".
func Network(raw string) string {
	u, err := url.Parse(raw)
	if err != nil {
		return "clearnet"
	}
	host := strings.ToLower(u.Hostname())
	for suffix, network := range map[string]string{".onion": "tor", ".i2p": "i2p", ".loki": "loki"} {
		if strings.HasSuffix(host, suffix) {
			return network
		}
	}
	return "clearnet"
}
