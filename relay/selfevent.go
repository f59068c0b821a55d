package relay

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"unique"

	"moa/nips/event"
	"moa/nips/nip11"
	"moa/nips/nip66"
	"moa/policy"
	"moa/relay/origin"
	"moa/relay/places"
)

func (s *Server) newSelfPublisher() *selfPublisher {
	return &selfPublisher{
		shared:   &s.shared,
		describe: s.describeSelf, submit: s.submitOwn, pushTo: s.deps.Push,
		again: make(chan struct{}, 1),
	}
}

// describeSelf returns the event about this relay, neither dated nor signed.
func (s *Server) describeSelf(st *settings) (event.Event, error) {
	at, err := nip66.NormalURL(st.cfg.URL)
	if err != nil {
		return event.Event{}, fmt.Errorf("relay: %q: %w", st.cfg.URL, err)
	}
	doc := s.describe(bareRequest(at), st, "")
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

// submitOwn stores an event of the relay's own and delivers it to the live
// subscriptions, as it does those of clients. No policy is asked. It returns when the
// event is durable.
func (s *Server) submitOwn(st *settings, e *event.Event) error {
	s.submitAlone(st, e, st.chain.Generation())
	if !s.store.Has(e.ID) {
		return fmt.Errorf("relay: its own event %s was not stored", e.ID)
	}
	return nil
}

// submitAlone has the writer decide about an event that comes from no client, and returns
// when it has. asked is the chain's generation in which the event was asked about.
func (s *Server) submitAlone(st *settings, e *event.Event, asked uint64) {
	c := new(client)
	c.init(&s.shared, origin.Origin{To: unique.Make(origin.Address{})}, newAccount(s.ledger, accountKey{free: true}))
	c.out.Close() // the OK is read by none
	c.open.Add(1)
	c.tickets.Add(1)
	s.ingest.submit([]ticket{{from: c, e: e, chain: st.chain, asked: asked}})
	c.tickets.Wait()
}

// bareRequest asks for the information document as a client does that knows nothing
// but the relay's URL.
func bareRequest(at string) *http.Request {
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

// maxSelfKinds are told one by one; more are not told.
const maxSelfKinds = 64

// kindsOf are the kinds that every client may write, if not all, and those that
// none may. A list that is too long to be told is nil.
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
