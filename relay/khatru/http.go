package khatru

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip98"
)

// maxManagementBody bounds a management call, in bytes.
const maxManagementBody = 1 << 20

const managementType = "application/nostr+json+rpc"

// Handler serves what khatru serves over HTTP: the management API (NIP-86)
// after moa's own check of the caller, and everything on the relay's Router
// (blossom and the like), with CORS. It serves no WebSocket and no information
// document: those are the engine's, see Describe. A hook or handler that panics ends
// the request, as net/http has it, and is reported.
func (d *Door) Handler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			switch value := recover(); value {
			case nil:
			case http.ErrAbortHandler:
				panic(value)
			default:
				d.panicked(value)
				panic(http.ErrAbortHandler)
			}
		}()
		kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
		switch {
		case r.Header.Get("Upgrade") != "":
			http.NotFound(w, r)
		case kind == managementType && r.Method != http.MethodOptions:
			w.Header().Set("X-Content-Type-Options", "nosniff")
			d.manage(w, r)
		default:
			d.route(w, r)
		}
	})
}

// route lets khatru look on its Router, and nowhere else: without the headers
// by which it would take the request for one of its own.
func (d *Door) route(w http.ResponseWriter, r *http.Request) {
	r = r.Clone(r.Context())
	if r.Header.Get("Accept") == "application/nostr+json" {
		r.Header.Del("Accept")
	}
	if r.Header.Get("Content-Type") == managementType {
		r.Header.Del("Content-Type")
	}
	d.rl.ServeHTTP(w, r)
}

// manage lets admins through to khatru, whose own check takes any kind of
// event, from anyone, and trips over one without a u tag.
func (d *Door) manage(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		w.Header().Set("Allow", "POST, OPTIONS")
		fail(w, http.StatusMethodNotAllowed, errors.New("a management call is a POST"))
		return
	}
	now := time.Now()
	e, err := nip98.Verify(r.Header.Get("Authorization"), r.Method, []string{d.baseURL(r) + "/"}, now)
	switch {
	case err != nil:
		fail(w, http.StatusUnauthorized, err)
		return
	case !slices.Contains(d.o.Admins, e.PubKey):
		fail(w, http.StatusForbidden, errors.New("this key does not administer the relay"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxManagementBody))
	if err != nil {
		fail(w, http.StatusRequestEntityTooLarge, errors.New("the request cannot be read, or is too large"))
		return
	}
	if err := nip98.CheckBody(e, body); err != nil {
		fail(w, http.StatusUnauthorized, err)
		return
	}
	if err := d.callers.Add(e, now); err != nil {
		fail(w, http.StatusUnauthorized, err)
		return
	}
	d.rl.HandleNIP86(allowing(w), readable(r, e, body))
}

// readable returns the request in the words that khatru's check understands,
// once ours has passed.
func readable(r *http.Request, e *event.Event, body []byte) *http.Request {
	r = r.Clone(r.Context())
	r.Body = io.NopCloser(bytes.NewReader(body))
	r.Header.Set("Authorization", "Nostr "+base64.StdEncoding.EncodeToString(e.Raw))
	where, _ := e.Value("u")
	if u, err := url.Parse(where); err == nil {
		r.Header.Set("X-Forwarded-Host", u.Host)
		r.Header.Set("X-Forwarded-Proto", strings.Replace(u.Scheme, "ws", "http", 1))
	}
	return r
}

// allowing lets scripts of every web page read the answer.
func allowing(w http.ResponseWriter) http.ResponseWriter {
	w.Header().Set("Access-Control-Allow-Origin", "*")
	return w
}

func fail(w http.ResponseWriter, code int, err error) {
	allowing(w).Header().Set("Content-Type", managementType)
	w.WriteHeader(code)
	body, _ := json.Marshal(map[string]string{"error": err.Error()})
	w.Write(body)
}
