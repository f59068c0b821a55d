// Package admin is the page by which operators manage the relay in a browser, as a door to
// package desk. It finds out who somebody is by a signature of theirs (NIP-98), and shows
// and does what they may; what is decided, and who may decide it, is the desk's. It opens
// no socket and bounds no client: the relay hands it requests that are within bounds.
package admin

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/nips/nip98"
	"moa/relay/desk"
	"moa/store/state"
)

// Door is the name of the page in the audit log.
const Door = "page"

// Root is where the page is; all of its paths begin so.
const Root = "/admin"

// Deps are what the pages work with.
type Deps struct {
	Desk *desk.Desk
	// Rank is what somebody may decide, by the configuration in force.
	Rank func(event.PubKey) desk.Rank
	// Readable reports whether somebody may read an event, by the relay's rules.
	Readable func(event.PubKey, *event.Event) bool
	Look     func() Figures
	Log      *slog.Logger         // nil: none
	Metrics  *prometheus.Registry // nil: there are none
	Now      func() time.Time
}

// Figures are what the overview shows.
type Figures struct {
	Connections int
	Taken       int64 // EVENTs with OK true, since the start
	Events      int64 // that are stored
	Bytes       int64 // that they take on the disk
	Free        int64 // bytes that are left there; -1: unknown
	Started     time.Time
	Backup      time.Time // the newest; zero: none is known
	// Troubles are what an operator should act on, and Overridden the keys that a door
	// has set otherwise than the configuration.
	Troubles, Overridden []string
}

// Pages answer requests. Nothing is kept while nobody has signed in.
type Pages struct {
	deps       Deps
	challenges challenges
	sessions   sessions
	used       nip98.Seen
	pace       pace
	signIns    *prometheus.CounterVec
}

// New returns the pages.
func New(d Deps) *Pages {
	if d.Log == nil {
		d.Log = slog.New(slog.DiscardHandler)
	}
	p := &Pages{deps: d, signIns: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "moa_admin_sign_ins_total", Help: "Requests to sign in to the page for operators.",
	}, []string{"result"})}
	for _, result := range []signInResult{signInOK, signInUnauthorized, signInForbidden} {
		p.signIns.WithLabelValues(string(result))
	}
	if d.Metrics != nil {
		d.Metrics.MustRegister(p.signIns)
	}
	return p
}

//go:embed pages/*.html
var pageFiles embed.FS

//go:embed admin.css
var style []byte

//go:embed signin.js
var script []byte

// templates are read when somebody asks for a page.
var templates = sync.OnceValue(func() *template.Template {
	return template.Must(template.New("").Funcs(helpers).ParseFS(pageFiles, "pages/*.html"))
})

// What a browser may do with a page: show it, alone, and send forms to where it came from.
// The one script is that of the page to sign in on.
const (
	securityPolicy = "default-src 'none'; style-src 'self'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
	signInPolicy   = securityPolicy + "; script-src 'self'; connect-src 'self'"
)

// visit is one request.
type visit struct {
	*Pages
	w       http.ResponseWriter
	r       *http.Request
	path    string // below Root, without a slash at the end
	here    []string
	session *session // nil: nobody is signed in
	rank    desk.Rank
}

// ServePage answers a request for Root or below. here are the URLs of what is asked for, by
// one of which it must be signed; the Host header does not count. The body is bounded.
func (p *Pages) ServePage(w http.ResponseWriter, r *http.Request, here []string) {
	v := &visit{Pages: p, w: w, r: r, path: strings.TrimRight(strings.TrimPrefix(r.URL.Path, Root), "/"), here: here}
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", securityPolicy)
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	h.Set("Referrer-Policy", "same-origin") // of no-referrer browsers make forms say "Origin: null"
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		v.get()
	case http.MethodPost:
		v.post()
	default:
		h.Set("Allow", "GET, HEAD, POST")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (v *visit) get() {
	switch v.path {
	case "/style.css":
		v.send(http.StatusOK, "text/css; charset=utf-8", style)
		return
	case "/signin.js":
		v.send(http.StatusOK, "text/javascript; charset=utf-8", script)
		return
	}
	if !v.enter() {
		v.signInPage(http.StatusOK)
		return
	}
	v.page(v.path, http.StatusOK, "")
}

// post makes a change. A form of another site is refused: it comes from there, and it lacks
// the session's own token.
func (v *visit) post() {
	if !v.fromHere() {
		http.Error(v.w, "this form does not come from this relay's page", http.StatusForbidden)
		return
	}
	if v.path == "/signin" {
		v.signIn()
		return
	}
	if !v.enter() {
		v.signInPage(http.StatusUnauthorized)
		return
	}
	if err := v.r.ParseForm(); err != nil {
		http.Error(v.w, "the form cannot be read, or is too long", http.StatusBadRequest)
		return
	}
	if !same(v.r.PostForm.Get("csrf"), v.session.csrf) {
		http.Error(v.w, "this form is not of your session: go back, load the page again, and repeat it", http.StatusForbidden)
		return
	}
	if v.path == "/signout" {
		v.signOut()
		return
	}
	v.act()
}

// act makes a change by a form, and shows the page of the form.
func (v *visit) act() {
	a, ok := actions[v.path]
	if !ok {
		http.NotFound(v.w, v.r)
		return
	}
	if !v.rank.May(a.right) {
		v.page(a.page, http.StatusForbidden, "An administrator may do this, you may not.")
		return
	}
	// The browser's going away ends nothing half-way.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.r.Context()), mostTime)
	defer cancel()
	said, err := a.do(ctx, v, form{v.r.PostForm})
	switch {
	case err == nil:
		v.sessions.leave(v.session, said)
		http.Redirect(v.w, v.r, Root+a.page, http.StatusSeeOther)
	case errors.Is(err, errRight):
		v.page(a.page, http.StatusForbidden, told(err))
	case errors.Is(err, state.ErrRequest):
		v.page(a.page, http.StatusBadRequest, told(err))
	default:
		v.deps.Log.Error("a change by the admin page was not made", "path", v.r.URL.Path, "err", err)
		v.page(a.page, http.StatusInternalServerError, "The relay could not do this; its log says why.")
	}
}

const mostTime = time.Minute // of a change

// view is what all pages show.
type view struct {
	Title, Path string
	Menu        []*page
	Key         string // of the operator, as npub
	Rank        desk.Rank
	CSRF        string
	Said, Wrong string
	Now         int64
	Data        any
}

// page shows a page, with what went wrong.
func (v *visit) page(path string, status int, wrong string) {
	p, ok := pageAt(path)
	if !ok {
		p, status, wrong = overviewPage, http.StatusNotFound, "There is no such page."
	}
	if !v.rank.May(p.right) && !p.everybody {
		p, status, wrong = overviewPage, http.StatusForbidden, "An administrator may see this page, you may not."
	}
	one := &view{
		Title: p.Title, Path: p.Path, Key: nip19.Npub(v.session.key), Rank: v.rank, CSRF: v.session.csrf,
		Wrong: wrong, Now: v.deps.Now().Unix(),
	}
	for _, other := range pages {
		if other.everybody || v.rank.May(other.right) {
			one.Menu = append(one.Menu, other)
		}
	}
	data, err := p.read(v.r.Context(), v)
	if errors.Is(err, state.ErrRequest) { // there is a page all the same
		one.Wrong, status, err = told(err), http.StatusBadRequest, nil
	}
	if err == nil && v.r.Method != http.MethodHead {
		one.Said = v.sessions.take(v.session)
	}
	one.Data = data
	v.render(p.name, status, one, err)
}

func (v *visit) render(name string, status int, one any, err error) {
	var out bytes.Buffer
	if err == nil {
		err = templates().ExecuteTemplate(&out, name+".html", one)
	}
	if err != nil {
		v.deps.Log.Error("a page for operators cannot be made", "page", name, "err", err)
		http.Error(v.w, "the relay cannot show this page; its log says why", http.StatusInternalServerError)
		return
	}
	v.send(status, "text/html; charset=utf-8", out.Bytes())
}

func (v *visit) send(status int, contentType string, body []byte) {
	v.w.Header().Set("Content-Type", contentType)
	v.w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	v.w.WriteHeader(status)
	if v.r.Method != http.MethodHead {
		v.w.Write(body)
	}
}

// told is an error as the operator is told of it.
func told(err error) string {
	return "This cannot be done: " + strings.TrimPrefix(err.Error(), state.ErrRequest.Error()+": ") + "."
}

// form is what somebody has filled in.
type form struct{ url.Values }

// text is a field without spaces around it.
func (f form) text(name string) string { return strings.TrimSpace(f.Get(name)) }

func (f form) key(name string) (event.PubKey, error) {
	pk, err := nip19.ParsePubKey(f.text(name))
	return pk, asked("the public key", err)
}

func (f form) event(name string) (event.ID, error) {
	id, err := nip19.ParseEventID(f.text(name))
	return id, asked("the event", err)
}

// number is 0 for an empty field.
func (f form) number(name, what string, most int) (int, error) {
	text := f.text(name)
	if text == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > most {
		return 0, fmt.Errorf("%w: %s is a number from 0 to %d", state.ErrRequest, what, most)
	}
	return n, nil
}

// asked makes an error one for the operator.
func asked(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %s: %w", state.ErrRequest, what, err)
}
