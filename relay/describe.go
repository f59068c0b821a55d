package relay

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip11"
	"moa/nips/nip66"
	"moa/policy"
	"moa/policy/conf"
	"moa/relay/places"
)

// Self is what the relay says about itself in an event of its own (NIP-66), by
// its Identity. The zero Self says nothing.
type Self struct {
	Publish   bool          `toml:"publish"`
	Every     time.Duration `toml:"every" default:"24h"` // the event is signed again, at the latest
	Topics    []string      `toml:"topics"`
	Languages []string      `toml:"languages"` // ISO 639-1
	Relays    []string      `toml:"relays"`    // URLs of other relays that get the event, too
}

const (
	maxSelfTags   = 32 // of topics and of languages
	maxSelfRelays = 16
	maxSelfKinds  = 64 // that are told one by one; more are not told
	minSelfEvery  = time.Minute
)

var language = regexp.MustCompile(`^[a-z]{2}$`)

func (c *Config) checkSelf(bad *conf.Faults) {
	s := &c.Self
	if s.Publish && c.URL == "" {
		bad.Add("self.publish", "the event is about a URL, and none is set")
	}
	if s.Every < minSelfEvery {
		bad.Add("self.every", "%v is less than %v", s.Every, minSelfEvery)
	}
	if len(s.Topics) > maxSelfTags || slices.ContainsFunc(s.Topics, func(t string) bool { return strings.TrimSpace(t) == "" }) {
		bad.Add("self.topics", "there are more than %d, or one is empty", maxSelfTags)
	}
	if len(s.Languages) > maxSelfTags || slices.ContainsFunc(s.Languages, func(l string) bool { return !language.MatchString(l) }) {
		bad.Add("self.languages", `there are more than %d, or one is not of two letters like "en" (ISO 639-1)`, maxSelfTags)
	}
	if len(s.Relays) > maxSelfRelays {
		bad.Add("self.relays", "there are more than %d", maxSelfRelays)
	}
	for _, r := range s.Relays {
		if _, err := nip66.NormalURL(r); err != nil {
			bad.Add("self.relays", "%.100q: %v", r, err)
		}
	}
}

// identify gives a configuration the public key of the relay's own key.
func (c *Config) identify(id *Identity) error {
	if id == nil {
		return nil
	}
	key := id.PubKey().String()
	if c.Info.Self != "" && c.Info.Self != key {
		return fmt.Errorf("relay: info.self: it is not %s, the public key of the relay's own key", key)
	}
	c.Info.Self = key
	return nil
}

// describeSelf returns the event about this relay, neither dated nor signed.
func (s *Server) describeSelf(st *settings) (event.Event, error) {
	at, err := nip66.NormalURL(st.cfg.URL)
	if err != nil {
		return event.Event{}, fmt.Errorf("relay: %q: %w", st.cfg.URL, err)
	}
	doc := s.describe(asStranger(at), st, "")
	info := new(nip11.Document)
	if err := json.Unmarshal(doc, info); err != nil {
		return event.Event{}, fmt.Errorf("relay: the information document: %w", err)
	}
	accepted, refused := kindsOf(st.chain)
	r := nip66.Relay{
		URL: at, Info: info, Document: doc,
		Accepted: accepted, Refused: refused,
		Topics: st.cfg.Self.Topics, Languages: st.cfg.Self.Languages,
		Geohashes: places.Ladders(st.chain),
	}
	return r.Event(), nil
}

// asStranger is the request for the information document of somebody who knows
// nothing but the relay's URL.
func asStranger(at string) *http.Request {
	u, err := url.Parse(at)
	if err != nil {
		u = &url.URL{Path: "/"}
	}
	return &http.Request{
		Method: http.MethodGet, URL: &url.URL{Path: u.Path}, Host: u.Host,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{"Accept": {nip11.ContentType}}, Body: http.NoBody,
	}
}

// kindLister is a policy that decides by lists of kinds.
type kindLister interface {
	KindLists() (allow, deny []uint16) // allow is nil for all
}

// kindsOf are the kinds that everybody may write, if not all, and that nobody
// may. A list that is too long to be told is nil.
func kindsOf(chain *policy.Chain) (accepted, refused []uint16) {
	for _, n := range chain.Links() {
		p, ok := n.Policy.(kindLister)
		if !ok || !n.ForAll() {
			continue
		}
		allow, deny := p.KindLists()
		refused = append(refused, deny...)
		switch {
		case allow == nil:
		case accepted == nil:
			accepted = allow
		default:
			accepted = slices.DeleteFunc(accepted, func(k uint16) bool { return !slices.Contains(allow, k) })
		}
	}
	accepted = slices.DeleteFunc(accepted, func(k uint16) bool { return slices.Contains(refused, k) })
	return short(accepted), short(refused)
}

func short(kinds []uint16) []uint16 {
	slices.Sort(kinds)
	if kinds = slices.Compact(kinds); len(kinds) > maxSelfKinds {
		return nil
	}
	return kinds
}
