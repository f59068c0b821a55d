package builtin

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/nips/geohash"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/geo"
	"moa/policy/internal/conf"
)

type scopesConfig struct {
	Domain     string     `toml:"domain" comment:"Where the scopes are: u33.<domain> shows and takes what is under the geohash u33, down to\nthe smallest cell; <domain> itself shows everything. DNS and TLS need a wildcard. All\nscopes share one store, so everything that is read must be looked at, at every host." example:"\"geo.example\""`
	Reserved   []string   `toml:"reserved" comment:"Names under the domain that are no scopes, though they may read like geohashes."`
	Everywhere conf.Kinds `toml:"everywhere" comment:"The kinds of which events without a place belong to every scope."`
	MeshBridge bool       `toml:"mesh_bridge" comment:"The r tags of BitChat's kinds 20000 and 20001 are places."`
}

var scopesDefaults = scopesConfig{
	Reserved: []string{"www", "relay"}, MeshBridge: true,
	Everywhere: conf.MustKinds("0, 3, 5-7, 16, 62, 1059, 1060, 1984, 9735, 10000-19999, 21059, 22242"),
}

// scopes makes a relay for each cell of the earth, by the host that a client
// connects to.
type scopes struct{ scopesConfig }

func newScopes(_ *policy.Env, cfg scopesConfig, bad *faults) policy.Policy {
	cfg.Domain = strings.ToLower(strings.Trim(cfg.Domain, "."))
	if cfg.Domain == "" {
		bad.add("domain", "missing")
	}
	return &scopes{cfg}
}

// scope returns the geohash that the client's host names; "" for none. Hosts
// with a name that is none do not get past Connect.
func (p *scopes) scope(c policy.Client) string {
	label, ok := strings.CutSuffix(c.Host(), p.Domain)
	if !ok || !strings.HasSuffix(label, ".") {
		return ""
	}
	label = label[:len(label)-1]
	if slices.Contains(p.Reserved, label) {
		return ""
	}
	return label
}

// OwnHost reports the domain, a scope of it, or one of the reserved names.
func (p *scopes) OwnHost(host string) bool {
	if host == p.Domain {
		return true
	}
	label, ok := strings.CutSuffix(host, "."+p.Domain)
	return ok && (geohash.Valid(label) || slices.Contains(p.Reserved, label))
}

func (p *scopes) Connect(_ context.Context, c policy.Client, _ *http.Request) policy.Verdict {
	if s := p.scope(c); s != "" && !geohash.Valid(s) {
		return policy.Refuse(reason.Restricted, fmt.Sprintf("%.40q is not a geohash, so %.80s is no relay", s, c.Host()))
	}
	return policy.Verdict{}
}

func (p *scopes) Disconnect(policy.Client) {}

func (p *scopes) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	scope := p.scope(c)
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
	return policy.Refuse(reason.Restricted, fmt.Sprintf("only notes within %s are accepted at this address; post notes from %s to wss://%[2]s.%[3]s",
		scope, list[0], p.Domain))
}

// belongs reports whether an event that says that it is there is to be seen in
// the scope.
func (p *scopes) belongs(kind uint16, there *geo.Places, scope string) bool {
	list := there.List()
	for _, hash := range list {
		if strings.HasPrefix(hash, scope) {
			return true
		}
	}
	return len(list) == 0 && p.Everywhere.Has(kind)
}

// DeliveryKinds are all: any event may have a place.
func (p *scopes) DeliveryKinds() []uint16 { return nil }

func (p *scopes) Deliver(c policy.Client, e *policy.View) bool {
	scope := p.scope(c)
	return scope == "" || p.belongs(e.Kind, e.Places(p.MeshBridge), scope)
}
