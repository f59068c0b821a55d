// Package nip98 checks who makes an HTTP request: a signed event of kind 27235
// in the Authorization header (NIP-98).
package nip98

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/btcsuite/btcd/btcec/v2/schnorr"

	"moa/nips/event"
)

// Window is how far the event's created_at may be from now, either way.
const Window = 60 * time.Second

// maxSeen bounds how many events a Checker remembers.
const maxSeen = 4096

// Checker lets each event in once. The zero Checker is ready; it is safe for
// concurrent use.
type Checker struct {
	mu   sync.Mutex // guards the following
	seen map[event.ID]int64
}

// Check returns the key that signed the request. method and rawURL are the
// request's own, body its whole body; an error's text is fit for the caller.
func (c *Checker) Check(authorization, method, rawURL string, body []byte, now time.Time) (event.PubKey, error) {
	e, err := decode(authorization)
	if err != nil {
		return event.PubKey{}, err
	}
	if err := matches(e, method, rawURL, body, now.Unix()); err != nil {
		return event.PubKey{}, err
	}
	if !signed(e) {
		return event.PubKey{}, errors.New("the signature does not hold")
	}
	return e.PubKey, c.once(e, now.Unix())
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

func matches(e *event.Event, method, rawURL string, body []byte, now int64) error {
	window := int64(Window / time.Second)
	u, _ := e.Value("u")
	m, _ := e.Value("method")
	payload, _ := e.Value("payload")
	sum := sha256.Sum256(body)
	switch {
	case e.Kind != event.KindHTTPAuth:
		return fmt.Errorf("the event is of kind %d, not %d", e.Kind, event.KindHTTPAuth)
	case e.CreatedAt < now-window || e.CreatedAt > now+window:
		return fmt.Errorf("created_at is more than %d seconds from now", window)
	case !sameURL(u, rawURL):
		return fmt.Errorf("the u tag says %q, this is %q", u, rawURL)
	case !strings.EqualFold(m, method):
		return fmt.Errorf("the method tag says %q, this is %q", m, method)
	case payload != hex.EncodeToString(sum[:]):
		return errors.New("the payload tag is not the sha256 of the body")
	}
	return nil
}

// sameURL compares host and path; ws and http, wss and https are the same
// place, and so are a path of "" and of "/".
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
	return x.Host != "" && strings.EqualFold(bareHost(x), bareHost(y)) && slash(x.Path) == slash(y.Path) && x.RawQuery == y.RawQuery
}

// bareHost is the host without the port that its scheme stands for anyway.
func bareHost(u *url.URL) string {
	port := u.Port()
	if (port == "80" && (u.Scheme == "http" || u.Scheme == "ws")) || (port == "443" && (u.Scheme == "https" || u.Scheme == "wss")) {
		return u.Hostname()
	}
	return u.Host
}

func signed(e *event.Event) bool {
	pk, err := schnorr.ParsePubKey(e.PubKey[:])
	if err != nil {
		return false
	}
	s, err := schnorr.ParseSignature(e.Sig[:])
	return err == nil && s.Verify(e.ID[:], pk)
}

// once refuses an event that came before. What is past the window need not be
// remembered: its time alone refuses it.
func (c *Checker) once(e *event.Event, now int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.seen == nil {
		c.seen = map[event.ID]int64{}
	}
	for id, at := range c.seen {
		if at < now-2*int64(Window/time.Second) {
			delete(c.seen, id)
		}
	}
	if _, ok := c.seen[e.ID]; ok {
		return errors.New("this event was used before")
	}
	if len(c.seen) >= maxSeen {
		return errors.New("too many calls: try again in a minute")
	}
	c.seen[e.ID] = e.CreatedAt
	return nil
}
