package relay

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"moa/nips/nip11"
	"moa/nips/relayurl"
	"moa/nips/wire"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay/places"
	"moa/relay/replay"
)

const softwareName = "moa"

// supportedNIPs are those that work here, whatever the config says.
var supportedNIPs = []int{1, 9, 11, 17, 40, 42, 45, 59, 62, 70}

// settings are what a Reload replaces as a whole. They do not change.
type settings struct {
	cfg   Config
	chain *policy.Chain
	nth   uint64 // their number: settings are counted as they come into force
	// asksSince is the number of the newest settings that added a filter policy which
	// is asked only once, and not again about what is open.
	asksSince uint64
	ours      []relayurl.Location // the configured URL; none: the host the client connected to
	replay    *replay.Buffer      // nil: nothing is kept
	scopes    policy.ScopePolicy  // nil: there are none
	info      nip11.Document
	doc       []byte // info as JSON
}

func newSettings(cfg Config, over Overrides, chain *policy.Chain, now func() time.Time) (*settings, error) {
	if err := cfg.Validate().Err(); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	if chain == nil {
		chain = policy.NewChain(nil, builtin.Defaults(policy.Env{Now: now})...)
	}
	st := &settings{cfg: cfg, chain: chain, scopes: policy.Find[policy.ScopePolicy](chain)}
	if cfg.URL != "" {
		here, err := relayurl.Parse(cfg.URL)
		if err != nil {
			return nil, fmt.Errorf("relay: URL %q: %w", cfg.URL, err)
		}
		st.ours = []relayurl.Location{here}
	}
	if err := st.describe(over); err != nil {
		return nil, fmt.Errorf("relay: %w", err)
	}
	return st, nil
}

// describe makes the information document.
func (st *settings) describe(over Overrides) (err error) {
	st.info = document(&st.cfg, st.chain.Limits())
	if p := policy.Find[policy.AreaPolicy](st.chain); p != nil && st.info.Description == plainDescription {
		st.info.Description = "A Nostr relay for " + p.Where() + "."
	}
	over.apply(&st.info)
	st.info.Extra = map[string]any{"geo": places.Describe(&st.cfg.Geo, st.chain, "")}
	if st.cfg.Admin.On() {
		st.info.Extra["nip86"] = extensions
	}
	st.doc, err = st.info.Marshal()
	return err
}

// listBits are the bits of a generation that count changes of lists.
const listBits = 40

// generation is a number that differs whenever the settings have changed, or the
// lists of people that reading depends on, or when the first thing becomes hidden.
func (st *settings) generation() uint64 {
	lists := st.chain.Version() << 1
	if st.chain.Hides() {
		lists |= 1
	}
	return st.nth<<listBits | lists&(1<<listBits-1)
}

// nthOf is the settings' part of a generation.
func nthOf(generation uint64) uint64 { return generation >> listBits }

// document says what the relay and its policies hold clients to (NIP-11).
func document(cfg *Config, p policy.Limits) nip11.Document {
	nips := slices.Clone(supportedNIPs)
	if p.PoW || p.MinPoW > 0 {
		nips = append(nips, 13)
	}
	if cfg.Members.Enabled {
		nips = append(nips, 43)
	}
	if cfg.EOSEHints {
		nips = append(nips, 67)
	}
	if cfg.Sync.Enabled {
		nips = append(nips, 77)
	}
	if cfg.Admin.On() {
		nips = append(nips, 86, 98)
	}
	slices.Sort(nips)
	i, l := &cfg.Info, &cfg.Limits
	software := i.Software
	if software == "" && cfg.URL != "" { // the relay's own page tells of the program
		software = "http" + strings.TrimRight(strings.TrimPrefix(cfg.URL, "ws"), "/") + "/#" + softwareName
	}
	return nip11.Document{
		Name: i.Name, Description: i.Description, Banner: i.Banner, Icon: i.Icon,
		PubKey: i.PubKey, Self: i.Self, Contact: i.Contact, NIPs: nips,
		Software: software, Version: named(i), Terms: i.TermsOfService, PaymentsURL: i.PaymentsURL,
		Limitation: &nip11.Limitation{
			MaxMessageLength:    l.MessageBytes,
			MaxSubscriptions:    l.Subscriptions,
			MaxLimit:            l.Limit,
			MaxSubIDLength:      wire.MaxSubID,
			MaxEventTags:        stricter(l.EventTags, p.EventTags),
			MaxContentLength:    stricter(l.ContentLength, p.ContentLength),
			MinPoWDifficulty:    p.MinPoW,
			AuthRequired:        p.AuthRequired,
			RestrictedWrites:    p.RestrictedWrites,
			CreatedAtLowerLimit: int64(p.OldestCreatedAt.Seconds()),
			CreatedAtUpperLimit: int64(p.NewestCreatedAt.Seconds()),
			DefaultLimit:        l.DefaultLimit,
		},
	}
}

// named is the version, behind our name if there is no URL that tells it: the
// NIP has no other place for a name.
func named(i *Info) string {
	if i.Software != "" || i.Version == "" {
		return i.Version
	}
	return softwareName + " " + i.Version
}

// stricter is the smaller of our bound and the policies', of which 0 is none.
func stricter(ours, theirs int) int {
	if theirs == 0 {
		return ours
	}
	return min(ours, theirs)
}
