package builtin

import (
	"context"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/nip13"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type spamConfig struct {
	Trusted    peopleConfig  `toml:"trusted" comment:"People who are never suspected, in the words of the policy allow. Their reports (kind\n1984) of spam and impersonation count against the reported author." example:"{ pubkeys = [\"<pubkey>\"] }"`
	Kinds      conf.Kinds    `toml:"kinds" comment:"The kinds that are looked at."`
	NewFor     conf.Duration `toml:"new_for" comment:"How long an author is new after the first event here. To be new costs a point."`
	Copies     int           `toml:"copies" comment:"From how many other authors nearly the same text must have come lately to cost points:\none each for that many."`
	MinLetters int           `toml:"min_letters" comment:"Shorter texts are alike by chance, and not compared."`
	Window     conf.Duration `toml:"window" comment:"How long texts are compared with."`
	Burst      int           `toml:"burst" comment:"How many events a minute cost an author nothing; what is more costs a point."`
	StrikeTime conf.Duration `toml:"strike_time" comment:"How long it takes until one strike is forgotten. Refused events of three points and more\nare strikes, and so are reports; each costs the author, and half of it the network, a point."`
	Step       int           `toml:"step" comment:"Bits of proof of work (NIP-13) that each point after the first costs."`
	MostWork   int           `toml:"most_work" comment:"When more bits than this would be needed, no work helps until strikes are forgotten."`
	Tracked    int           `toml:"tracked" comment:"How many authors and networks are remembered, at about 60 bytes."`
}

var spamDefaults = spamConfig{
	Trusted: peopleDefaults, Kinds: conf.MustKinds("1, 42, 1111, 1311"), NewFor: conf.Duration(time.Hour), Copies: 2, MinLetters: 30,
	Window: conf.Duration(time.Hour), Burst: 20, StrikeTime: conf.Duration(time.Hour), Step: 6, MostWork: 30, Tracked: 100_000,
}

// spam asks suspicious authors for proof of work: the more suspicious, the more.
// It says what made them so, and forgets it in time.
type spam struct {
	*people // whom it trusts; nil: nobody
	cfg     spamConfig
	now     func() time.Time
	bursts  *buckets
	seed    maphash.Seed

	mu    sync.Mutex // guards the following
	known aging[standing]
	texts [4096]sentText // a ring: a walk through it takes a few microseconds
	next  int
}

// standing is what is remembered of an author or a network.
type standing struct {
	first   int64   // when the first event came, Unix seconds
	strikes float64 // at the time of the latest
	at      int64   // that time, Unix seconds
}

type sentText struct {
	hash, author uint64
	at           int64 // Unix seconds
}

func newSpam(env *policy.Env, cfg spamConfig, bad *conf.Faults) policy.Policy {
	for _, n := range []struct {
		path         string
		value, least int
	}{
		{"copies", cfg.Copies, 1},
		{"min_letters", cfg.MinLetters, simGram},
		{"burst", cfg.Burst, 1},
		{"step", cfg.Step, 1},
		{"most_work", cfg.MostWork, 1},
		{"tracked", cfg.Tracked, 1},
	} {
		if n.value < n.least {
			bad.Add(n.path, "%d is less than %d", n.value, n.least)
		}
	}
	for _, d := range []struct {
		path  string
		value conf.Duration
	}{{"window", cfg.Window}, {"strike_time", cfg.StrikeTime}} {
		if d.value <= 0 {
			bad.Add(d.path, "it is 0")
		}
	}
	if len(*bad) > 0 {
		return nil
	}
	p := &spam{
		cfg: cfg, now: env.Now, seed: maphash.MakeSeed(), known: newAging[standing](cfg.Tracked),
		bursts: newBuckets(cfg.Burst, time.Minute, cfg.Burst, cfg.Tracked),
	}
	p.people = optionalPeople(env, cfg.Trusted, "trusted", bad)
	return p
}

// AfterSignature: only events that the author has signed count against the author.
func (p *spam) AfterSignature() {}

func (p *spam) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	if !p.cfg.Kinds.Has(e.Kind) || !c.IP().IsValid() || p.trusts(e.PubKey) {
		return policy.Verdict{}
	}
	now := p.now()
	author := maphash.Comparable(p.seed, e.PubKey)
	network := maphash.Comparable(p.seed, network(c.IP()))
	_, calm := p.bursts.take(bucketKey{pubKey: e.PubKey}, now)
	hash, letters := simhash(e.Content)

	p.mu.Lock()
	defer p.mu.Unlock()
	s := suspicion{burst: !calm, copies: p.copiesLocked(hash, letters, author, now.Unix())}
	known := p.known.get(author)
	if known.first == 0 {
		known.first = now.Unix()
	}
	p.known.put(author, known)
	s.isNew = now.Unix()-known.first < p.cfg.NewFor.Seconds()
	s = p.withStrikesLocked(s, author, network, now.Unix())
	bits := p.work(s)
	if bits <= 0 || nip13.Check(e, bits, true) == nil && bits <= p.cfg.MostWork {
		return policy.Verdict{}
	}
	if s.points(p.cfg.Copies) >= 3 {
		p.strikeLocked(author, now.Unix(), 1)
		p.strikeLocked(network, now.Unix(), 1)
		bits = p.work(p.withStrikesLocked(s, author, network, now.Unix())) // what will do from now on
	}
	return p.refuse(s, bits)
}

// withStrikesLocked adds what is left of the author's and the network's strikes.
func (p *spam) withStrikesLocked(s suspicion, author, network uint64, now int64) suspicion {
	s.strikes = p.strikes(p.known.get(author), now)
	s.nearby = p.strikes(p.known.get(network), now) / 2
	return s
}

// work is how many bits the suspicion costs.
func (p *spam) work(s suspicion) int { return (s.points(p.cfg.Copies) - 1) * p.cfg.Step }

func (p *spam) refuse(s suspicion, bits int) policy.Verdict {
	if bits > p.cfg.MostWork {
		return policy.Refuse(reason.Blocked, fmt.Sprintf("this looks like spam: %s; it is forgotten in time, one strike in %s", s, p.cfg.StrikeTime))
	}
	return policy.Refuse(reason.PoW, fmt.Sprintf("this looks like spam: %s; with %d bits of proof of work it is accepted (NIP-13)", s, bits))
}

func (p *spam) trusts(pk event.PubKey) bool { return p.people != nil && p.Has(pk) }

// copiesLocked counts the other authors of nearly the same text, and remembers
// the text.
func (p *spam) copiesLocked(hash uint64, letters int, author uint64, now int64) int {
	if letters < p.cfg.MinLetters {
		return 0
	}
	var others [8]uint64
	n, mine := 0, false
	for i := range p.texts {
		t := &p.texts[i]
		if t.at == 0 || now-t.at >= p.cfg.Window.Seconds() || !near(t.hash, hash) {
			continue
		}
		if t.author == author {
			t.at, mine = now, true
			continue
		}
		if n < len(others) && !slices.Contains(others[:n], t.author) {
			others[n] = t.author
			n++
		}
	}
	if !mine {
		p.texts[p.next] = sentText{hash, author, now}
		p.next = (p.next + 1) % len(p.texts)
	}
	return n
}

// strikes are what is left of the strikes by now.
func (p *spam) strikes(s standing, now int64) float64 {
	return max(0, s.strikes-float64(now-s.at)/float64(p.cfg.StrikeTime.Seconds()))
}

func (p *spam) strikeLocked(key uint64, now int64, n float64) {
	s := p.known.get(key)
	s.strikes, s.at = min(p.strikes(s, now)+n, 10), now
	p.known.put(key, s)
}

// Saved counts the reports of trusted people.
func (p *spam) Saved(c policy.Client, e *event.Event) {
	if p.people == nil {
		return
	}
	p.people.Saved(c, e)
	if e.Kind != event.KindReport || !p.Has(e.PubKey) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, t := range e.Tags {
		if t[0] != "p" || len(t) < 3 || t[2] != "spam" && t[2] != "impersonation" {
			continue
		}
		if pk, err := event.ParsePubKey(t[1]); err == nil && !p.Has(pk) {
			p.strikeLocked(maphash.Comparable(p.seed, pk), p.now().Unix(), 2)
		}
	}
}

func (p *spam) Run(ctx context.Context) error {
	if p.people == nil {
		return nil
	}
	return p.people.Run(ctx)
}

func (p *spam) Limits() policy.Limits { return policy.Limits{PoW: true} }

// suspicion is what speaks against an event.
type suspicion struct {
	isNew, burst    bool
	copies          int
	strikes, nearby float64
}

// points weighs it. Copies count from so many on.
func (s suspicion) points(copies int) int {
	n := int(s.strikes) + int(s.nearby)
	if s.isNew {
		n++
	}
	if s.burst {
		n++
	}
	if s.copies >= copies {
		n += s.copies / copies
	}
	return n
}

// String says it to the author.
func (s suspicion) String() string {
	var why []string
	if s.copies > 0 {
		why = append(why, fmt.Sprintf("%d others have sent nearly the same text lately", s.copies))
	}
	if s.burst {
		why = append(why, "you send very fast")
	}
	if s.strikes >= 1 {
		why = append(why, fmt.Sprintf("there are %d strikes against you", int(s.strikes)))
	}
	if s.nearby >= 1 {
		why = append(why, "there are strikes against your network")
	}
	if s.isNew {
		why = append(why, "you are new here")
	}
	return strings.Join(why, ", ")
}
