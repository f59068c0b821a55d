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
	maxClaims     = 100_000        // of names in one domain
	claimsOfOne   = 50             // that one network may make a minute
	claimsAMinute = 200            // names that are asked for
	mostFailures  = 5              // after which the rest is left for the next minute
	claimHolds    = 24 * time.Hour // how long an answer about one name is believed
)

// domainSource knows the people with a name in a domain (NIP-05). It asks the domain
// for everybody, which works where the names are in a plain file. It asks other
// domains for the names that profiles in the store claim, one by one.
//
// A claim costs its author nothing and the domain a request, so a network may
// make a few a minute, the domain is asked about so many a minute, and a claim
// that was found false makes room for a new one.
func domainSource(env *policy.Env, domain string, every time.Duration) *source {
	d := &nip05Domain{
		env: env, domain: domain, claims: map[event.PubKey]*claim{}, taken: map[[8]byte]int{},
		all: urlSource(env.HTTP, "https://"+domain+"/.well-known/nostr.json", every),
	}
	s := &source{name: domain, every: every, read: d.read, wants: d.wants}
	d.again = s.hint
	return s
}

type nip05Domain struct {
	env    *policy.Env
	domain string
	again  func() // has read called once more

	// Owned by read.
	all     *source
	allDue  time.Time      // when to read all again
	allErr  error          // what all said last
	listed  []event.PubKey // what all has read last
	scanned bool           // the store's profiles have been looked at
	minute  time.Time      // the end of the minute in which
	asked   int            // so many names were asked for

	mu     sync.Mutex // guards the following
	claims map[event.PubKey]*claim
	taken  map[[8]byte]int // claims, by network, until
	until  time.Time
}

// claim is a name that a profile says its author has.
type claim struct {
	name    string
	holds   bool      // the domain says so too
	checked time.Time // when it was asked
}

// wants takes the claim of a new profile.
func (d *nip05Domain) wants(c policy.Client, e *event.Event) bool {
	if e.Kind != event.KindMetadata {
		return false
	}
	name := d.claimed(e)
	d.mu.Lock()
	defer d.mu.Unlock()
	old := d.claims[e.PubKey]
	if old != nil && old.name == name || old == nil && name == "" {
		return false
	}
	delete(d.claims, e.PubKey)
	if name == "" || !d.mayClaimLocked(c) {
		return old != nil && old.holds
	}
	d.claims[e.PubKey] = &claim{name: name}
	return true
}

// claimed is the name that a profile claims in the domain; "": none.
func (d *nip05Domain) claimed(e *event.Event) string {
	var profile struct {
		NIP05 string `json:"nip05"`
	}
	_ = json.Unmarshal([]byte(e.Content), &profile) // a profile that is none claims nothing
	name, domain, ok := strings.Cut(profile.NIP05, "@")
	if !ok || !strings.EqualFold(domain, d.domain) {
		return ""
	}
	return strings.ToLower(name)
}

// mayClaimLocked reports that there is room for a claim of the client's network;
// nil, and clients on this machine, have no share to keep to.
func (d *nip05Domain) mayClaimLocked(c policy.Client) bool {
	if len(d.claims) >= maxClaims && !d.forgetLocked() {
		return false
	}
	if c == nil || !c.IP().IsValid() || policy.Local(c) {
		return true
	}
	if now := d.env.Now(); !now.Before(d.until) {
		clear(d.taken)
		d.until = now.Add(time.Minute)
	}
	from := network(c.IP())
	d.taken[from]++
	return d.taken[from] <= claimsOfOne
}

// forgetLocked makes room for a claim by one that was found false. It looks at a
// few only, for it is called where events go out to everybody.
func (d *nip05Domain) forgetLocked() bool {
	looked := 0
	for pk, c := range d.claims {
		if !c.holds && !c.checked.IsZero() {
			delete(d.claims, pk)
			return true
		}
		if looked++; looked == 64 {
			break
		}
	}
	return false
}

func (d *nip05Domain) read(ctx context.Context) ([]event.PubKey, bool, error) {
	if !d.scanned && d.env.Stored != nil {
		profiles := &event.Filter{Kinds: []uint16{event.KindMetadata}}
		err := d.env.Stored(ctx, profiles, func(e *event.Event) error { d.wants(nil, e); return nil })
		if err != nil {
			return nil, false, err
		}
		d.scanned = true
	}
	err := d.readAll(ctx)
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

// readAll asks for everybody, when it is time: claims do not bring it forward.
func (d *nip05Domain) readAll(ctx context.Context) error {
	now := d.env.Now()
	if now.Before(d.allDue) {
		return d.allErr
	}
	listed, unchanged, err := d.all.read(ctx)
	wait := d.all.every
	if err != nil {
		wait = min(wait, retryInterval)
	} else if !unchanged {
		d.listed = listed
	}
	d.allDue, d.allErr = now.Add(wait), err
	return err
}

// check asks the domain about claims, and returns how many it knows about. A
// claim about which there is no answer stays as it was.
func (d *nip05Domain) check(ctx context.Context, listed keySet) (known int) {
	due, known := d.due(d.budget(ctx), listed)
	failures := 0
	for pk, name := range due {
		holds, err := d.ask(ctx, name, pk)
		d.asked++
		if err != nil {
			if failures++; failures == mostFailures {
				d.asked = claimsAMinute
				break
			}
			continue
		}
		known++
		d.mu.Lock()
		if c := d.claims[pk]; c != nil && c.name == name {
			c.holds, c.checked = holds, d.env.Now()
		}
		d.mu.Unlock()
	}
	return known
}

// budget is how many names may be asked for now. It waits for the next minute
// if those of this one are used up.
func (d *nip05Domain) budget(ctx context.Context) int {
	now := d.env.Now()
	if now.Before(d.minute) && d.asked >= claimsAMinute {
		select {
		case <-ctx.Done():
			return 0
		case <-time.After(d.minute.Sub(now)):
		}
		now = d.env.Now()
	}
	if !now.Before(d.minute) {
		d.minute, d.asked = now.Add(time.Minute), 0
	}
	return claimsAMinute - d.asked
}

// due are the claims to be asked about, at most so many; if there are more, read
// is called again. It also returns how many need not be asked about.
func (d *nip05Domain) due(most int, listed keySet) (due map[event.PubKey]string, known int) {
	now := d.env.Now()
	due = map[event.PubKey]string{}
	d.mu.Lock()
	defer d.mu.Unlock()
	for pk, c := range d.claims {
		switch {
		case listed.has(pk):
		case now.Sub(c.checked) < claimHolds:
			known++
		case len(due) < most:
			due[pk] = c.name
		default:
			d.again()
			return due, known
		}
	}
	return due, known
}

// ask asks the domain whether the name is pk's.
func (d *nip05Domain) ask(ctx context.Context, name string, pk event.PubKey) (bool, error) {
	keys, _, err := urlSource(d.env.HTTP, "https://"+d.domain+"/.well-known/nostr.json?name="+url.QueryEscape(name), 0).read(ctx)
	return newKeySet(keys).has(pk), err
}
