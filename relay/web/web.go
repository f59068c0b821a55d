// Package web holds the relay's pages and turns values into HTML. It does not
// serve them, and no page fetches anything from elsewhere.
package web

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"moa/nips/nip11"
)

// ContentSecurityPolicy allows what the pages do and nothing else: an icon and
// a banner from where the operator has put them.
const ContentSecurityPolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src https: data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Relay is what the home page tells about.
type Relay struct {
	Info   *nip11.Document
	URL    string   // for a client: ws:// or wss://
	Map    bool     // there is a map at /geo
	Scope  string   // the cell that it is for, "" for everything
	Scopes []string // URLs of relays for one cell, as examples
	Notes  []Note   // the newest first
}

// Note is one that anybody may read.
type Note struct {
	Name   string // what the author says; "": nothing is known
	Author string // the key, shortened
	At     time.Time
	Text   string
	Entity string // nevent (NIP-19)
}

// Open is the link by which clients show the note (NIP-21).
func (n Note) Open() template.URL { return template.URL("nostr:" + n.Entity) }

//go:embed home.html
var homeText string

var home = template.Must(template.New("home").Funcs(template.FuncMap{
	"link":   link,
	"nipURL": nipURL,
	"nip":    func(n int) string { return nipNames[n] },
	"bytes":  byteSize,
	"image":  image,
}).Parse(homeText))

// Home makes the page that a browser gets at "/".
func Home(r Relay) ([]byte, error) {
	var out bytes.Buffer
	if err := home.Execute(&out, r); err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	return out.Bytes(), nil
}

// link reports whether a contact or address is safe and useful to click on.
func link(s string) bool {
	return strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") || strings.HasPrefix(s, "mailto:")
}

// image reports whether the policy above lets the page show it.
func image(s string) bool { return strings.HasPrefix(s, "https://") }

func nipURL(n int) string {
	return fmt.Sprintf("https://github.com/nostr-protocol/nips/blob/master/%02d.md", n)
}

// byteSize writes n bytes for a person.
func byteSize(n int) string {
	switch {
	case n >= 1<<20:
		return fmt.Sprintf("%.4g MiB", float64(n)/(1<<20))
	case n >= 1<<10:
		return fmt.Sprintf("%.4g KiB", float64(n)/(1<<10))
	}
	return fmt.Sprintf("%d bytes", n)
}
