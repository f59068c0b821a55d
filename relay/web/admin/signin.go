package admin

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"io"
	"net/http"
	"net/url"
	"strings"

	"moa/nips/event"
	"moa/nips/nip98"
	"moa/relay/desk"
)

// Somebody signs in by a request that a key of [admin] signs (NIP-98). Its body is a
// challenge of the page, so that what was signed once holds in this process and for a
// minute only, and its u tag is this relay's, so that what was signed for another relay
// does not hold here. From then on a cookie says who it is; what its key may is asked at
// each request.

const maxChallenge = 256 // bytes

// signInResult is what became of a request to sign in, for metrics.
type signInResult string

const (
	signInOK           signInResult = "ok"
	signInUnauthorized signInResult = "unauthorized"
	signInForbidden    signInResult = "forbidden"
)

// right reports that a key may have a session.
func (p *Pages) right(pk event.PubKey) bool { return p.deps.Rank(pk) != desk.Nobody }

// enter finds the session of a request.
func (v *visit) enter() bool {
	token := v.token()
	if token == "" {
		return false
	}
	v.session = v.sessions.find(token, v.deps.Now(), v.right)
	if v.session == nil {
		return false
	}
	v.rank = v.deps.Rank(v.session.key)
	return v.rank != desk.Nobody
}

// secure reports that browsers reach the relay by https.
func (v *visit) secure() bool {
	for _, at := range v.here {
		if !strings.HasPrefix(at, "https://") {
			return false
		}
	}
	return len(v.here) > 0
}

// cookieName is one that no other host can set, where that is possible.
func (v *visit) cookieName() string {
	if v.secure() {
		return "__Host-moa-admin"
	}
	return "moa-admin"
}

func (v *visit) token() string {
	c, err := v.r.Cookie(v.cookieName())
	if err != nil {
		return ""
	}
	return c.Value
}

// setCookie has the browser keep a token until it is closed; "" has it forget.
func (v *visit) setCookie(token string) {
	c := http.Cookie{
		Name: v.cookieName(), Value: token, Path: "/",
		HttpOnly: true, Secure: v.secure(), SameSite: http.SameSiteStrictMode,
	}
	if token == "" {
		c.MaxAge = -1
	}
	http.SetCookie(v.w, &c)
}

// signInPage is shown to everybody that is not signed in, whatever page they want.
func (v *visit) signInPage(status int) {
	v.w.Header().Set("Content-Security-Policy", signInPolicy)
	challenge := v.challenges.make(v.deps.Now())
	sum := sha256.Sum256([]byte(challenge))
	v.render("signin", status, struct{ Challenge, Payload string }{challenge, hex.EncodeToString(sum[:])}, nil)
}

// signIn makes a session. It is not told to those that are nobody whether a challenge
// was right.
func (v *visit) signIn() {
	now := v.deps.Now()
	e, err := nip98.Verify(v.r.Header.Get("Authorization"), v.r.Method, v.here, now)
	if err != nil {
		v.noSignIn(signInUnauthorized, "", err.Error())
		return
	}
	if !v.right(e.PubKey) {
		v.noSignIn(signInForbidden, e.PubKey.String(), "this key does not manage the relay: an administrator names it in [admin] of moa.toml")
		return
	}
	challenge, err := io.ReadAll(http.MaxBytesReader(v.w, v.r.Body, maxChallenge))
	if err == nil {
		err = v.challenges.check(string(challenge), now)
	}
	if err == nil {
		err = nip98.CheckBody(e, challenge)
	}
	if err == nil {
		err = v.used.Add(e, now)
	}
	if err != nil {
		v.noSignIn(signInUnauthorized, e.PubKey.String(), err.Error())
		return
	}
	if old := v.token(); old != "" {
		v.sessions.end(old)
	}
	v.setCookie(v.sessions.begin(e.PubKey, now, v.right))
	v.signIns.WithLabelValues(string(signInOK)).Inc()
	v.deps.Log.Info("an operator has signed in to the admin page", "key", e.PubKey)
	v.w.WriteHeader(http.StatusNoContent)
}

func (v *visit) noSignIn(result signInResult, key, text string) {
	status := http.StatusUnauthorized
	if result == signInForbidden {
		status = http.StatusForbidden
	}
	v.signIns.WithLabelValues(string(result)).Inc()
	v.deps.Log.Debug("somebody was not let in to the admin page", "key", key, "why", text)
	http.Error(v.w, text, status)
}

// signOut ends the session here: a copy of its cookie is worth nothing.
func (v *visit) signOut() {
	v.sessions.end(v.token())
	v.setCookie("")
	http.Redirect(v.w, v.r, Root, http.StatusSeeOther)
}

// fromHere reports that a page of this relay has sent the request, as browsers say by the
// Origin header.
func (v *visit) fromHere() bool {
	from := originOf(v.r.Header.Get("Origin"))
	if from == "" {
		return false
	}
	for _, at := range v.here {
		if originOf(at) == from {
			return true
		}
	}
	return false
}

// originOf is the scheme, host and port of a URL; "" if it has none.
func originOf(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" {
		return ""
	}
	host, port := strings.ToLower(u.Hostname()), u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	return u.Scheme + "://" + host + ":" + port
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
