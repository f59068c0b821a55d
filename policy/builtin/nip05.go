package builtin

import (
	"context"
	"encoding/json"
	"net/url"
	"strings"
	"sync"
	"time"

	"moa/nips/event"
	"moa/policy"
)

const (
	maxClaims    = 100_000        // of names in one domain
	claimsAtOnce = 200            // names that are asked for in one go
	mostFailures = 5              // after which the rest is left for the next time
	claimHolds   = 24 * time.Hour // how long an answer about one name is believed
)

// domainSource knows who has a name in a domain (NIP-05). It asks the domain
// for everybody, as those that keep a plain file answer. Of the others it asks
// for the names that profiles in the store claim, one by one.
func domainSource(env *policy.Env, domain string, every time.Duration) *source {
	d := &nip05Domain{
		env: env, domain: domain, claims: map[event.PubKey]*claim{},
		all: urlSource(env.HTTP, "https://"+domain+"/.well-known/nostr.json", every),
	}
	return &source{name: domain, every: every, read: d.read, wants: d.wants}
}

type nip05Domain struct {
	env    *policy.Env
	domain string

	// Owned by read.
	all     *source
	listed  []event.PubKey // what all has read last
	scanned bool           // the store's profiles have been looked at

	mu     sync.Mutex // guards the following
	claims map[event.PubKey]*claim
}

// claim is a name that a profile says its author has.
type claim struct {
	name    string
	holds   bool      // the domain says so too
	checked time.Time // when it was asked
}

// wants takes the claim of a new profile.
func (d *nip05Domain) wants(e *event.Event) bool {
	if e.Kind != event.KindMetadata {
		return false
	}
	var profile struct {
		NIP05 string `json:"nip05"`
	}
	_ = json.Unmarshal([]byte(e.Content), &profile) // a profile that is none claims nothing
	name, domain, ok := strings.Cut(profile.NIP05, "@")
	claims := ok && strings.EqualFold(domain, d.domain) && name != ""
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.claims[e.PubKey]
	switch {
	case !claims:
		delete(d.claims, e.PubKey)
		return old != nil
	case old != nil && old.name == name:
		return false
	case old == nil && len(d.claims) >= maxClaims:
		return false
	}
	d.claims[e.PubKey] = &claim{name: strings.ToLower(name)}
	return true
}

func (d *nip05Domain) read(ctx context.Context) ([]event.PubKey, bool, error) {
	if !d.scanned && d.env.Stored != nil {
		profiles := &event.Filter{Kinds: []uint16{event.KindMetadata}}
		err := d.env.Stored(ctx, profiles, func(e *event.Event) error { d.wants(e); return nil })
		if err != nil {
			return nil, false, err
		}
		d.scanned = true
	}
	listed, unchanged, err := d.all.read(ctx)
	if err == nil && !unchanged {
		d.listed = listed
	}
	asked := d.check(ctx, newKeySet(d.listed))
	if err != nil && asked == 0 {
		return nil, false, err
	}
	keys := append([]event.PubKey(nil), d.listed...)
	d.mu.Lock()
	defer d.mu.Unlock()
	for pk, c := range d.claims {
		if c.holds {
			keys = append(keys, pk)
		}
	}
	return keys, false, nil
}

// check asks the domain about claims, and returns how many it knows about. A
// claim about which there is no answer stays as it was.
func (d *nip05Domain) check(ctx context.Context, listed keySet) (known int) {
	now := d.env.Now()
	due := map[event.PubKey]string{}
	d.mu.Lock()
	for pk, c := range d.claims {
		switch {
		case listed.has(pk):
		case now.Sub(c.checked) < claimHolds:
			known++
		case len(due) < claimsAtOnce:
			due[pk] = c.name
		}
	}
	d.mu.Unlock()
	failures := 0
	for pk, name := range due {
		holds, err := d.ask(ctx, name, pk)
		if err != nil {
			if failures++; failures == mostFailures {
				break
			}
			continue
		}
		known++
		d.mu.Lock()
		if c := d.claims[pk]; c != nil && c.name == name {
			c.holds, c.checked = holds, now
		}
		d.mu.Unlock()
	}
	return known
}

// ask asks the domain whether the name is pk's.
func (d *nip05Domain) ask(ctx context.Context, name string, pk event.PubKey) (bool, error) {
	keys, _, err := urlSource(d.env.HTTP, "https://"+d.domain+"/.well-known/nostr.json?name="+url.QueryEscape(name), 0).read(ctx)
	return newKeySet(keys).has(pk), err
}
