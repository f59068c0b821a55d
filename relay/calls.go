package relay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"time"

	"moa/nips/event"
	"moa/nips/nip86"
	"moa/nips/nip98"
	"moa/relay/origin"
)

// Operators manage the relay by calls over HTTP (NIP-86) that they sign (NIP-98). A call
// is let in by steps; whoever does not pass one is told why, and nothing was done,
// remembered or read for them but what the steps before say:
//
//  1. Its address has a place for a connection, and has not said very much just now.
//  2. The Authorization header is about this relay, method and time, and is signed: 401.
//  3. Its key may call something: 403. From here on the caller is an operator.
//  4. The body is read, so far as it is not too long: 413. It is what was signed: 401.
//  5. The event was not used before: 401. Changes are also remembered on the disk, by
//     the Manager.
//  6. The call is understood (400), and within the caller's rights (403).
//
// Policies are not asked: an operator whose address is blocked can unblock it.

const (
	maxCallBody  = 64 << 10
	maxCallTime  = time.Minute
	otherMethods = "other" // in metrics: those that there are not
)

// callResult is what became of a call, for metrics.
type callResult string

const (
	callMade         callResult = "ok"
	callBusy         callResult = "busy"
	callUnauthorized callResult = "unauthorized"
	callForbidden    callResult = "forbidden"
	callWrong        callResult = "wrong"
	callFailed       callResult = "failed"
)

// manages reports that there are calls.
func (s *Server) manages() bool {
	return s.deps.Manager != nil && s.settings.Load().cfg.Admin.On()
}

// isCall reports a call of the management API.
func (s *Server) isCall(r *http.Request) bool {
	if r.Method != http.MethodPost || !s.manages() {
		return false
	}
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	return kind == nip86.ContentType
}

// refusedCall is why a call was not made.
type refusedCall struct {
	status int
	result callResult
	text   string
}

func (s *Server) serveCall(w http.ResponseWriter, r *http.Request, path string) {
	h := w.Header()
	allowAll(h, withPost)
	h.Set("Cache-Control", "no-store")
	h.Set("Connection", "close") // until the body is read: net/http would read it before it answers
	method := otherMethods
	result, refused := s.call(w, r, path, &method)
	body, err := nip86.AppendResult(nil, result)
	if err != nil {
		s.log.Error("the answer to a call cannot be written", "method", method, "err", err)
		refused = &refusedCall{http.StatusInternalServerError, callFailed, "the answer cannot be written"}
	}
	if refused == nil {
		s.met.calls.WithLabelValues(method, string(callMade)).Inc()
		send(w, r, nip86.ContentType, body)
		return
	}
	s.met.calls.WithLabelValues(method, string(refused.result)).Inc()
	switch refused.status {
	case http.StatusUnauthorized:
		h.Set("WWW-Authenticate", "Nostr")
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		h.Set("Retry-After", "1")
	}
	body = nip86.AppendError(nil, refused.text)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Type", nip86.ContentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(refused.status)
	w.Write(body)
}

// call lets a call in, and makes it. method is what metrics call it, once it is known.
func (s *Server) call(w http.ResponseWriter, r *http.Request, path string, method *string) (any, *refusedCall) {
	st := s.settings.Load()
	account, why := s.conns.reserve(s.proxies.originOf(r, &st.cfg), &st.cfg.Limits)
	if why != "" {
		s.met.refuse(why)
		return nil, &refusedCall{http.StatusServiceUnavailable, callBusy, "too many connections"}
	}
	defer s.conns.release(account)
	if account.pace.behind(time.Since(paceBegan)) > 0 {
		return nil, &refusedCall{http.StatusTooManyRequests, callBusy, "your address says too much, try again"}
	}
	account.charge(authWork)
	e, body, refused := s.authorize(w, r, st, path)
	if refused != nil {
		return nil, refused
	}
	c, err := nip86.Parse(body)
	if err != nil {
		return nil, &refusedCall{http.StatusBadRequest, callWrong, err.Error()}
	}
	*method = c.Name
	// The caller's going away ends nothing half-way.
	ctx, cancel := context.WithTimeout(s.life, maxCallTime)
	defer cancel()
	result, err := s.deps.Manager.CallSigned(ctx, e, c)
	if err != nil {
		return nil, s.refusalOf(c, err)
	}
	return result, nil
}

// authorize returns the event that signs a request, whose author is known, and the body.
func (s *Server) authorize(w http.ResponseWriter, r *http.Request, st *settings, path string) (*event.Event, []byte, *refusedCall) {
	no := func(err error) *refusedCall {
		return &refusedCall{http.StatusUnauthorized, callUnauthorized, err.Error()}
	}
	now := s.now()
	e, err := nip98.Verify(r.Header.Get("Authorization"), r.Method, st.callURLs(r, path), now)
	if err != nil {
		return nil, nil, no(err)
	}
	if !s.deps.Manager.Known(e.PubKey) {
		return nil, nil, &refusedCall{http.StatusForbidden, callForbidden, "this key does not manage the relay"}
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxCallBody))
	if _, long := errors.AsType[*http.MaxBytesError](err); long {
		return nil, nil, &refusedCall{http.StatusRequestEntityTooLarge, callWrong, fmt.Sprintf("the request has more than %d bytes", maxCallBody)}
	}
	if err != nil {
		return nil, nil, &refusedCall{http.StatusBadRequest, callWrong, "the request cannot be read"}
	}
	w.Header().Del("Connection")
	if err := nip98.CheckBody(e, body); err != nil {
		return nil, nil, no(err)
	}
	if err := s.callers.Add(e, now); err != nil {
		return nil, nil, no(err)
	}
	s.log.Debug("a call is signed", "by", e.PubKey, "ip", origin.Of(r, st.cfg.TrustedProxies).IP)
	return e, body, nil
}

// refusalOf is what the caller is told of a call that was not made.
func (s *Server) refusalOf(c *nip86.Call, err error) *refusedCall {
	told, ok := errors.AsType[*nip86.Error](err)
	if !ok {
		s.log.Error("a call was not made", "method", c.Name, "err", err)
		return &refusedCall{http.StatusInternalServerError, callFailed, "the relay could not do this; its log says why"}
	}
	switch told.Fault {
	case nip86.Forbidden:
		return &refusedCall{http.StatusForbidden, callForbidden, told.Text}
	case nip86.UsedBefore:
		return &refusedCall{http.StatusUnauthorized, callUnauthorized, told.Text}
	}
	return &refusedCall{http.StatusBadRequest, callWrong, told.Text}
}
