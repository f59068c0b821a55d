package builtin

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/conf"
)

// peopleConfig names people. All of its lists together count.
type peopleConfig struct {
	PubKeys   []conf.PubKey  `toml:"pubkeys" comment:"Public keys, hex or npub."`
	Files     []string       `toml:"files" comment:"Files with one key a line, or JSON. They are read again when they change."`
	URLs      []string       `toml:"urls" comment:"The same from the web, asked again every refresh (If-None-Match)."`
	Domains   []string       `toml:"domains" comment:"Everybody who has a name in these domains (NIP-05): whom their nostr.json lists and, of\ndomains that tell about one name at a time, whose profile in this relay's store claims\none. Newcomers can claim one if everybody may write kind 0."`
	FollowsOf []conf.PubKey  `toml:"follows_of" comment:"Everybody these people follow, by their follow lists (kind 3) in this relay's store."`
	Lists     []conf.Address `toml:"lists" comment:"Everybody in these lists in this relay's store, each as kind:pubkey:d (NIP-51);\nthe public key may be an npub." example:"[\"30000:<pubkey>:friends\"]"`
	Members   memberConfig   `toml:"members" comment:"true: everybody who is a member of this relay; or the members with one of these roles.\nWho joins or is expelled is so at once." example:"true"`
	Trust     trustConfig    `toml:"trust" comment:"A web of trust: everybody who is followed, over so many steps, from the roots on, by\nat least so many people who are nearer to the roots. limit bounds the memory."`
	Refresh   conf.Duration  `toml:"refresh" comment:"How often urls, domains and what is in the store are looked up again. What cannot be\nread stays as it was."`
}

var peopleDefaults = peopleConfig{Refresh: conf.Duration(10 * time.Minute), Trust: trustDefaults}

// empty reports that it names nobody.
func (c *peopleConfig) empty() bool {
	return len(c.PubKeys)+len(c.Files)+len(c.URLs)+len(c.Domains)+len(c.FollowsOf)+len(c.Lists)+len(c.Trust.Roots) == 0 && c.Members.empty()
}

// fileInterval is how often a file's time and size are looked at.
const fileInterval = 5 * time.Second

// retryInterval is how soon what could not be read is tried again.
const retryInterval = 30 * time.Second

// people is a set of public keys that is kept up to date while it runs.
type people struct {
	log     *slog.Logger
	sources []*source
	members *members
	set     atomic.Pointer[keySet]
	version atomic.Uint64 // of set

	// waiting counts the sources that have not been read yet: until it is 0,
	// somebody may be missing. Then loaded is closed.
	waiting atomic.Int32
	loaded  chan struct{}

	mu sync.Mutex // guards the sources' keys
}

// source is one list of people.
type source struct {
	name  string // for the log
	every time.Duration
	// read returns the keys, or unchanged if they are those of the last time.
	read func(ctx context.Context) (keys []event.PubKey, unchanged bool, err error)
	// wants reports a stored event that changes the keys; may be nil.
	wants func(c policy.Client, e *event.Event) bool
	wake  chan struct{} // a hint that the keys have changed; one is enough

	keys   []event.PubKey // guarded by people.mu
	loaded bool           // owned by Run
}

func newPeople(env *policy.Env, cfg peopleConfig, bad *conf.Faults) *people {
	p := &people{log: env.Log, members: newMembers(env, cfg.Members), loaded: make(chan struct{})}
	p.add(&source{keys: conf.PubKeys(cfg.PubKeys), loaded: true})
	for i, name := range cfg.Files {
		s := fileSource(env.Path(name))
		keys, _, err := s.read(context.Background())
		if err != nil {
			fileFaults(bad, fmt.Sprintf("files[%d]", i), s.name, err)
		}
		s.keys, s.loaded = keys, true
		p.add(s)
	}
	for i, u := range cfg.URLs {
		if parsed, err := url.Parse(u); err != nil || parsed.Host == "" || !slices.Contains([]string{"http", "https"}, parsed.Scheme) {
			bad.Add(fmt.Sprintf("urls[%d]", i), "%q is not an http or https URL", u)
		}
		p.add(urlSource(env.HTTP, u, time.Duration(cfg.Refresh)))
	}
	for i, domain := range cfg.Domains {
		if parsed, err := url.Parse("https://" + domain); err != nil || parsed.Host != domain || domain == "" {
			bad.Add(fmt.Sprintf("domains[%d]", i), "%q is not a domain name", domain)
		}
		p.add(domainSource(env, domain, time.Duration(cfg.Refresh)))
	}
	if len(cfg.FollowsOf) > 0 {
		p.add(followSource(env, conf.PubKeys(cfg.FollowsOf), time.Duration(cfg.Refresh)))
	}
	for _, a := range cfg.Lists {
		p.add(listSource(env, a, time.Duration(cfg.Refresh)))
	}
	if len(cfg.Trust.Roots) > 0 {
		p.add(trustSource(env, cfg.Trust, time.Duration(cfg.Refresh), bad))
	}
	if cfg.Refresh < conf.Duration(time.Second) {
		bad.Add("refresh", "%s is less than 1s", cfg.Refresh)
	}
	if cfg.empty() {
		bad.Add("pubkeys", "nobody is meant: neither pubkeys nor files, urls, domains, follows_of, lists, members or trust.roots name anybody")
	}
	p.union()
	if !p.incomplete() {
		close(p.loaded)
	}
	return p
}

// optionalPeople is newPeople at a path of the config; nil if it names nobody.
func optionalPeople(env *policy.Env, cfg peopleConfig, path string, bad *conf.Faults) *people {
	if cfg.empty() {
		return nil
	}
	var own conf.Faults
	p := newPeople(env, cfg, &own)
	for _, f := range own {
		bad.AddError(path, f)
	}
	return p
}

// noPeople are the people of an empty table.
func noPeople(env *policy.Env) *people {
	p := &people{log: env.Log, loaded: make(chan struct{})}
	p.union()
	close(p.loaded)
	return p
}

func (p *people) add(s *source) {
	s.wake = make(chan struct{}, 1)
	if !s.loaded {
		p.waiting.Add(1)
	}
	p.sources = append(p.sources, s)
}

// union makes the set anew.
func (p *people) union() {
	p.mu.Lock()
	defer p.mu.Unlock()
	lists := make([][]event.PubKey, len(p.sources))
	for i, s := range p.sources {
		lists[i] = s.keys
	}
	set := newKeySet(lists...)
	if old := p.set.Swap(&set); old == nil || !slices.Equal(*old, set) {
		p.version.Add(1)
	}
}

// Version counts the changes of the set, and of members.
func (p *people) Version() uint64 { return p.version.Load() + p.members.generation() }

// Has reports whether pk is one of the people.
func (p *people) Has(pk event.PubKey) bool { return p.set.Load().has(pk) || p.members.has(pk) }

// any reports whether one of the keys is one of the people.
func (p *people) any(keys []event.PubKey) bool { return slices.ContainsFunc(keys, p.Has) }

// mentioned reports whether one of the people is in a p tag, or in a P tag: the
// author of the root of a comment (NIP-22), or the payer of a zap (NIP-57).
func (p *people) mentioned(e *event.Event) bool {
	for _, t := range e.Tags {
		if t[0] != "p" && t[0] != "P" {
			continue
		}
		if pk, ok := t.PubKey(); ok && p.Has(pk) {
			return true
		}
	}
	return false
}

// incomplete reports that somebody may be missing because a list has not been read
// yet.
func (p *people) incomplete() bool { return p.waiting.Load() > 0 }

// Loaded is closed when nobody is missing any more. No people are complete.
func (p *people) Loaded() <-chan struct{} {
	if p == nil {
		return closed
	}
	return p.loaded
}

// closed is the channel of people that are complete from the start.
var closed = func() chan struct{} { c := make(chan struct{}); close(c); return c }()

// Run keeps the set up to date.
func (p *people) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range p.sources {
		if s.read != nil {
			wg.Go(func() { p.follow(ctx, s) })
		}
	}
	wg.Wait()
	return nil
}

// follow reads one source again and again.
func (p *people) follow(ctx context.Context, s *source) {
	wait := time.Duration(0)
	if s.loaded && ctx.Err() == nil { // with the configuration
		wait = s.every
		p.say(s, newKeySet(s.keys))
	}
	for last := ""; ; {
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-time.After(wait):
		}
		wait = s.every
		var keys []event.PubKey
		var unchanged bool
		err := policy.Safely(func() (err error) {
			keys, unchanged, err = s.read(ctx)
			return err
		})
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			wait = min(wait, retryInterval)
			if err.Error() != last {
				p.log.Warn("a list of people could not be read, it stays as it was", "list", s.name, "err", err, policy.Stack(err))
			}
			last = err.Error()
			continue
		case unchanged && last == "":
			continue
		case unchanged: // since before it could not be read
			p.say(s, newKeySet(s.keys))
		default:
			p.replace(s, keys, last != "")
		}
		last = ""
	}
}

// replace puts the keys in the place of the source's. mended: it could not be read
// before.
func (p *people) replace(s *source, keys []event.PubKey, mended bool) {
	p.mu.Lock()
	before := newKeySet(s.keys)
	s.keys = keys
	p.mu.Unlock()
	p.union()
	now := newKeySet(keys)
	added, removed := before.changes(now)
	if s.loaded && !mended && added+removed == 0 {
		p.log.Debug("a list of people was read again", "list", s.name, "people", len(now))
		return
	}
	if !s.loaded {
		s.loaded = true
		if p.waiting.Add(-1) == 0 {
			close(p.loaded)
		}
	}
	p.say(s, now, "added", added, "removed", removed)
}

// say logs that a source was read, and what else there is to say of it.
func (p *people) say(s *source, now keySet, more ...any) {
	p.log.Info("a list of people was read", append([]any{"list", listed{s.name, now.sum()}, "people", len(now)}, more...)...)
}

// Saved wakes the sources that a stored event changes.
func (p *people) Saved(c policy.Client, e *event.Event) {
	for _, s := range p.sources {
		if s.wants != nil && s.wants(c, e) {
			s.hint()
		}
	}
}

// hint has the source read soon.
func (s *source) hint() {
	select {
	case s.wake <- struct{}{}:
	default: // it is awake
	}
}

func (p *people) Authenticated(policy.Client) {}
