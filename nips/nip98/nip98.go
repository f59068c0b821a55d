// Package nip98 checks which person makes an HTTP request: a signed event of kind
// 27235 in the Authorization header says so (NIP-98).
package nip98

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/sig"
)

// Window is how far the event's created_at may be from now, either way.
const Window = 60 * time.Second

// Verify returns the event that signs a request for one of urls. Its body is not read:
// CheckBody says whether the event is about it. An error's text is fit for the caller.
// The event may have been used before: that is Seen's to say, once it is known
// that its author is somebody.
func Verify(authorization, method string, urls []string, now time.Time) (*event.Event, error) {
	e, err := decode(authorization)
	if err != nil {
		return nil, err
	}
	if err := matches(e, method, urls, now.Unix()); err != nil {
		return nil, err
	}
	if !signed(e) {
		return nil, errors.New("the signature does not hold")
	}
	return e, nil
}

// CheckBody returns an error, fit for the caller, if e signs a request with another body.
// A request without one need not say so.
func CheckBody(e *event.Event, body []byte) error {
	payload, ok := e.Value("payload")
	sum := sha256.Sum256(body)
	switch {
	case !ok && len(body) > 0:
		return errors.New("there is no payload tag, the sha256 of the body")
	case payload != hex.EncodeToString(sum[:]) && (payload != "" || len(body) > 0):
		return errors.New("the payload tag is not the sha256 of the body")
	}
	return nil
}

func decode(authorization string) (*event.Event, error) {
	encoded, ok := strings.CutPrefix(authorization, "Nostr ")
	if !ok {
		return nil, errors.New(`the Authorization header is not "Nostr <base64 event>"`)
	}
	raw, err := base64.StdEncoding.DecodeString(strings.TrimSpace(encoded))
	if err != nil {
		return nil, errors.New("the event in the Authorization header is not base64")
	}
	return event.Parse(raw)
}

func matches(e *event.Event, method string, urls []string, now int64) error {
	window := int64(Window / time.Second)
	u, _ := e.Value("u")
	m, _ := e.Value("method")
	switch {
	case e.Kind != event.KindHTTPAuth:
		return fmt.Errorf("the event is of kind %d, not %d", e.Kind, event.KindHTTPAuth)
	case e.CreatedAt < now-window || e.CreatedAt > now+window:
		return fmt.Errorf("created_at is more than %d seconds from now", window)
	case !slices.ContainsFunc(urls, func(here string) bool { return sameURL(u, here) }):
		return fmt.Errorf("the u tag says %.200q, this is %q", u, urls)
	case !strings.EqualFold(m, method):
		return fmt.Errorf("the method tag says %.20q, this is %q", m, method)
	}
	return nil
}

// sameURL compares host, path and query. Which of http, https, ws and wss the scheme is
// says nothing: a server behind a proxy is asked by http for what is https outside, and
// relays are named by ws and wss, too. A path of "" and of "/" are the same.
func sameURL(a, b string) bool {
	x, err := url.Parse(a)
	if err != nil {
		return false
	}
	y, err := url.Parse(b)
	if err != nil {
		return false
	}
	slash := func(p string) string { return "/" + strings.Trim(p, "/") }
	return slices.Contains(schemes, x.Scheme) && x.User == nil && x.Host != "" && strings.EqualFold(bareHost(x), bareHost(y)) && slash(x.Path) == slash(y.Path) && x.RawQuery == y.RawQuery
}

var schemes = []string{"https", "http", "wss", "ws"}

// bareHost is the host without the port that its scheme stands for anyway.
func bareHost(u *url.URL) string {
	port := u.Port()
	if (port == "80" && (u.Scheme == "http" || u.Scheme == "ws")) || (port == "443" && (u.Scheme == "https" || u.Scheme == "wss")) {
		return u.Hostname()
	}
	return u.Host
}

// signed checks by the reference: management calls are few. It refuses an s
// that is not below the curve's order, which btcec alone would reduce.
func signed(e *event.Event) bool {
	v, err := sig.New(sig.Btcec)
	if err != nil {
		return false
	}
	var verdict [1]bool
	v.Verify([]sig.Record{{PubKey: e.PubKey, Msg: e.ID, Sig: e.Sig}}, verdict[:])
	return verdict[0]
}

// maxSeen bounds how many events a Seen remembers.
const maxSeen = 4096

// Seen lets each event in once. The zero Seen is ready; it is safe for
// concurrent use. It forgets what is past the Window, whose time alone refuses
// it. When it is full it lets nobody in, so ask it only about events of people
// that may come in.
type Seen struct {
	mu sync.Mutex // guards the following
	at map[event.ID]int64
}

// Add returns an error, fit for the caller, if e came before.
func (s *Seen) Add(e *event.Event, now time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.at == nil {
		s.at = map[event.ID]int64{}
	}
	for id, at := range s.at {
		if at < now.Unix()-int64(Window/time.Second) {
			delete(s.at, id)
		}
	}
	if _, ok := s.at[e.ID]; ok {
		return errors.New("this event was used before")
	}
	if len(s.at) >= maxSeen {
		return errors.New("too many calls: try again in a minute")
	}
	s.at[e.ID] = e.CreatedAt
	return nil
}
