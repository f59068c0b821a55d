package builtin

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/geo"
	"moa/nips/geohash"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
)

type rateConfig struct {
	Of             string        `toml:"of" comment:"What is counted: \"events\" that are sent, or \"filters\" that are asked."`
	By             []string      `toml:"by" comment:"Each \"ip\" (an IPv6 network of /64 is one), \"pubkey\", \"kind\", \"cell\" (geohash), or a\ncombination of them has its own allowance. Empty: all together have one. Filters know\nonly \"ip\"; an event counts in every cell that it names, and without one not by cell."`
	CellLength     int           `toml:"cell_length" comment:"How many characters of a geohash make a cell."`
	WorkBeyond     int           `toml:"work_beyond" comment:"What is beyond the allowance passes with so many bits of proof of work (NIP-13). 0: it does not."`
	Count          int           `toml:"count" comment:"How many per interval, in the long run."`
	Interval       conf.Duration `toml:"interval" comment:"The time in which count of them are allowed."`
	Burst          int           `toml:"burst" comment:"How many at once after a pause. 0: as many as count."`
	Kinds          conf.Kinds    `toml:"kinds" comment:"Only events of these kinds are counted. Empty: all."`
	ExemptLoopback bool          `toml:"exempt_loopback" comment:"Clients on this machine are not counted, as long as nothing says that a proxy is there\nas well: url, trusted_proxies, or a proxy's headers."`
	ExemptAuthed   bool          `toml:"exempt_authed" comment:"Clients that have authenticated (NIP-42), as anybody, are not counted."`
	Tracked        int           `toml:"tracked" comment:"How many allowances are remembered, at about 40 bytes; of more, the idle ones are forgotten."`
}

var rateDefaults = rateConfig{
	Of: "events", By: []string{"ip"}, Count: 120, Interval: conf.Duration(time.Minute), CellLength: 5,
	ExemptLoopback: true, Tracked: 100_000,
}

// rate allows so many events, or filters, in a time.
type rate struct {
	rateConfig
	byIP, byPubKey, byKind, byCell bool
	what                           string // for people: "events of kinds 1 by ip"
	now                            func() time.Time
	buckets                        *buckets
}

// lateRate counts by author, so it must not believe an event without a good
// signature: anybody could use up somebody else's allowance.
type lateRate struct{ *rate }

func (lateRate) AfterSignature() {}

// filterRate counts filters.
type filterRate struct{ *rate }

func newRate(env *policy.Env, cfg rateConfig, bad *conf.Faults) policy.Policy {
	oneOf(bad, "of", cfg.Of, "events", "filters")
	for i, by := range cfg.By {
		oneOf(bad, fmt.Sprintf("by[%d]", i), by, "ip", "pubkey", "kind", "cell")
		if cfg.Of == "filters" && by != "ip" {
			bad.Add(fmt.Sprintf("by[%d]", i), "filters can only be counted by ip")
		}
	}
	if cfg.Of == "filters" && len(cfg.Kinds) > 0 {
		bad.Add("kinds", "filters are not counted by kind")
	}
	if cfg.Count < 1 {
		bad.Add("count", "%d is less than 1; the policy \"kinds\" refuses all events of a kind", cfg.Count)
	}
	if cfg.Interval <= 0 {
		bad.Add("interval", "it is 0")
	}
	if cfg.Burst < 0 {
		bad.Add("burst", "%d is less than 0", cfg.Burst)
	}
	if cfg.CellLength < 1 || cfg.CellLength > geohash.MaxLen {
		bad.Add("cell_length", "%d is not from 1 to %d", cfg.CellLength, geohash.MaxLen)
	}
	if cfg.WorkBeyond < 0 || cfg.WorkBeyond > 64 || cfg.WorkBeyond > 0 && cfg.Of == "filters" {
		bad.Add("work_beyond", "%d is not from 0 to 64, or not of events", cfg.WorkBeyond)
	}
	if cfg.Tracked < 1 {
		bad.Add("tracked", "%d is less than 1", cfg.Tracked)
	}
	if len(*bad) > 0 {
		return nil
	}
	if cfg.Burst == 0 {
		cfg.Burst = cfg.Count
	}
	r := &rate{
		rateConfig: cfg, now: env.Now, what: cfg.Of,
		byIP:     slices.Contains(cfg.By, "ip"),
		byPubKey: slices.Contains(cfg.By, "pubkey"),
		byKind:   slices.Contains(cfg.By, "kind"),
		byCell:   slices.Contains(cfg.By, "cell"),
		buckets:  newBuckets(cfg.Count, time.Duration(cfg.Interval), cfg.Burst, cfg.Tracked),
	}
	if len(cfg.Kinds) > 0 {
		r.what += " of kinds " + cfg.Kinds.String()
	}
	if len(cfg.By) > 0 {
		r.what += " by " + strings.Join(cfg.By, " and ")
	}
	switch {
	case cfg.Of == "filters":
		return filterRate{r}
	case r.byPubKey:
		return lateRate{r}
	}
	return r
}

func (r *rate) remembers() {}

func (r *rate) Limits() policy.Limits { return policy.Limits{PoW: r.WorkBeyond > 0} }

func (r *rate) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	if len(r.Kinds) > 0 && !r.Kinds.Has(e.Kind) {
		return policy.Verdict{}
	}
	var key bucketKey
	if r.byPubKey {
		key.pubKey = e.PubKey
	}
	if r.byKind {
		key.kind = int32(e.Kind) + 1
	}
	v := r.countPlaces(c, e, key)
	if v.Action == policy.Reject && r.WorkBeyond > 0 {
		if demandWork(e, r.WorkBeyond, true).Action == policy.Accept {
			return policy.Verdict{}
		}
		v.Text += fmt.Sprintf(", or with %d bits of proof of work (NIP-13) at once", r.WorkBeyond)
	}
	return v
}

// countPlaces counts an event, in every cell that it names if cells are what is
// counted: none may be flooded behind another.
func (r *rate) countPlaces(c policy.Client, e *event.Event, key bucketKey) policy.Verdict {
	if !r.byCell {
		return r.count(c, key)
	}
	places := geo.Locate(e, true)
	var done [geo.MaxPlaces][geohash.MaxLen]byte
	n := 0
	for _, hash := range places.List() {
		cell := [geohash.MaxLen]byte{}
		copy(cell[:r.CellLength], hash)
		if slices.Contains(done[:n], cell) {
			continue
		}
		done[n] = cell
		n++
		key.cell = cell
		if v := r.count(c, key); v.Action != policy.Accept {
			return v
		}
	}
	return policy.Verdict{}
}

func (r filterRate) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}

func (r filterRate) Filter(_ context.Context, c policy.Client, _ *event.Filter) policy.Verdict {
	return r.count(c, bucketKey{})
}

// MayRead does not count once more what has been let in.
func (r filterRate) MayRead(policy.Client, []uint16) policy.Verdict { return policy.Verdict{} }

// count takes a token, unless the client is exempt or not a client at all.
func (r *rate) count(c policy.Client, key bucketKey) policy.Verdict {
	ip := c.IP()
	if !ip.IsValid() || r.ExemptLoopback && policy.Local(c) || r.ExemptAuthed && len(c.Authed()) > 0 {
		return policy.Verdict{}
	}
	if r.byIP {
		key.ip = network(ip)
	}
	wait, ok := r.buckets.take(key, r.now())
	if ok {
		return policy.Verdict{}
	}
	return tooFast(r.Count, r.what, r.Interval, wait)
}

func tooFast(n int, what string, interval conf.Duration, wait time.Duration) policy.Verdict {
	return policy.Refuse(reason.RateLimited, fmt.Sprintf("too many %s: the limit is %d in %s; try again in %s",
		what, n, interval, conf.Duration(max(wait, time.Second).Round(time.Second))))
}

// network is what one person usually has: an IPv4 address, or an IPv6 /64.
func network(ip netip.Addr) (key [8]byte) {
	ip = ip.Unmap()
	if ip.Is4() {
		a := ip.As4()
		copy(key[:4], "\xff\xff\xff\xff")
		copy(key[4:], a[:])
		return key
	}
	a := ip.As16()
	copy(key[:], a[:8])
	return key
}
