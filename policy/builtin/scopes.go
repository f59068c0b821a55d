package builtin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/nips/geo"
	"moa/nips/geohash"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type scopesConfig struct {
	Domain     string     `toml:"domain" comment:"u33.<domain> shows and takes what is under the geohash u33, down to the smallest cell;\n<domain> itself shows everything. DNS and TLS need a wildcard. All scopes share one store,\nand of what is read at one, everything must be looked at." example:"\"geo.example\""`
	Paths      bool       `toml:"paths" comment:"The same by path, for which no DNS is needed: /at/u33 behind the relay's URL is a relay for\nu33, at every host that is no scope itself. What a client proves by AUTH at one address\nholds at that one; a request to vanish that names any empties them all."`
	Reserved   []string   `toml:"reserved" comment:"Names under the domain that are no scopes, though they may read like geohashes."`
	Everywhere conf.Kinds `toml:"everywhere" comment:"The kinds of which events without a place belong to every scope."`
	MeshBridge bool       `toml:"mesh_bridge" comment:"The r tags of BitChat's kinds 20000 and 20001 are places."`
}

var scopesDefaults = scopesConfig{
	Reserved: []string{"www", "relay"}, MeshBridge: true,
	Everywhere: conf.MustKinds("0, 3, 5-7, 16, 62, 1059, 1060, 1984, 9735, 10000-19999, 21059, 22242"),
}

// scopesPath is what is before the geohash in a path.
const scopesPath = "/at/"

// Scopes makes a relay for each cell of the earth, by the host or the path that a
// client connects to.
type Scopes struct{ scopesConfig }

func newScopes(_ *policy.Env, cfg scopesConfig, bad *conf.Faults) policy.Policy {
	cfg.Domain = strings.ToLower(strings.Trim(cfg.Domain, "."))
	if cfg.Domain == "" && !cfg.Paths {
		bad.Add("domain", "missing, and without paths there are no scopes")
	}
	return &Scopes{cfg}
}

// Scopes implements policy.ScopePolicy.
func (p *Scopes) Scopes() (path, domain string) {
	if p.Paths {
		path = scopesPath
	}
	return path, p.Domain
}

// At returns the geohash that an address names; "" for none. Hosts with a name
// that is none do not get past Connect, and other paths are not ours.
func (p *Scopes) At(host, path string) string {
	if label := p.label(host); label != "" && !slices.Contains(p.Reserved, label) {
		return label
	}
	if p.Paths {
		if hash, ok := strings.CutPrefix(path, scopesPath); ok {
			return hash
		}
	}
	return ""
}

// label returns what is before the domain in a host's name; "" for nothing.
func (p *Scopes) label(host string) string {
	label, ok := strings.CutSuffix(host, p.Domain)
	if !ok || p.Domain == "" || !strings.HasSuffix(label, ".") {
		return ""
	}
	return label[:len(label)-1]
}

// OwnHost reports the domain, a scope of it, or one of the reserved names.
func (p *Scopes) OwnHost(host string) bool {
	label := p.label(host)
	return p.Domain != "" && host == p.Domain || geohash.Valid(label) || label != "" && slices.Contains(p.Reserved, label)
}

// OwnPath reports a scope's path at a host that is none.
func (p *Scopes) OwnPath(host, path string) bool {
	hash, ok := strings.CutPrefix(path, scopesPath)
	return ok && p.Paths && geohash.Valid(hash) && p.At(host, "") == ""
}

func (p *Scopes) Connect(_ context.Context, c policy.Client, _ *http.Request) policy.Verdict {
	if s := p.At(c.Host(), c.Path()); s != "" && !geohash.Valid(s) {
		return policy.Refuse(reason.Restricted, fmt.Sprintf("%.40q is not a geohash, so %.80s is no relay", s, c.Host()))
	}
	return policy.Verdict{}
}

func (p *Scopes) Disconnect(policy.Client) {}

func (p *Scopes) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	scope := p.At(c.Host(), c.Path())
	if scope == "" {
		return policy.Verdict{}
	}
	places := geo.Locate(e, p.MeshBridge)
	if p.belongs(e.Kind, &places, scope) {
		return policy.Verdict{}
	}
	list := places.List()
	if len(list) == 0 {
		return policy.Refuse(reason.Restricted, fmt.Sprintf(`only notes within %s are accepted at this address; add a "g" tag with a geohash that begins so`, scope))
	}
	return policy.Refuse(reason.Restricted, fmt.Sprintf("only notes within %s are accepted at this address; post notes from %s to %s",
		scope, list[0], p.other(c, list[0])))
}

// other names a scope as the client's own is named.
func (p *Scopes) other(c policy.Client, hash string) string {
	if c.Path() != "" {
		return scopesPath + hash + " of this relay"
	}
	return "wss://" + hash + "." + p.Domain
}

// belongs reports whether an event that says that it is there is to be seen in
// the scope.
func (p *Scopes) belongs(kind uint16, there *geo.Places, scope string) bool {
	list := there.List()
	for _, hash := range list {
		if strings.HasPrefix(hash, scope) {
			return true
		}
	}
	return len(list) == 0 && p.Everywhere.Has(kind)
}

// DeliveryKinds are all: any event may have a place.
func (p *Scopes) DeliveryKinds() []uint16 { return nil }

// Looks reports a client at a scope.
func (p *Scopes) Looks(c policy.Client) bool { return p.At(c.Host(), c.Path()) != "" }

func (p *Scopes) Deliver(c policy.Client, e *policy.View) bool {
	scope := p.At(c.Host(), c.Path())
	return scope == "" || p.belongs(e.Kind, e.Places(p.MeshBridge), scope)
}
