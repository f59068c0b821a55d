package relay

import (
	"maps"
	"net/http"
	"strings"

	"moa/nips/geohash"
	"moa/nips/nip11"
	"moa/relay/origin"
	"moa/relay/places"
)

// scope is the cell whose relay r has asked at a path, "" for everything.
func (st *settings) scope(r *http.Request, path string) string {
	if st.scopes == nil {
		return ""
	}
	cell := st.scopes.At(origin.Of(r, st.cfg.TrustedProxies).To.Value().Host, path)
	if !geohash.Valid(cell) { // a host that no WebSocket gets to
		return ""
	}
	return cell
}

// infoFor tells about the relay for a cell. It must not be changed.
func (st *settings) infoFor(scope string) *nip11.Document {
	if scope == "" {
		return &st.info
	}
	info := st.info
	info.Name = strings.TrimSpace(info.Name + " " + scope)
	info.Description = "Only what is within the geohash " + scope + ". " + info.Description
	info.Extra = maps.Clone(info.Extra)
	info.Extra["geo"] = places.Describe(&st.cfg.Geo, st.chain, scope)
	return &info
}

// docFor is infoFor as JSON.
func (st *settings) docFor(scope string) []byte {
	if scope == "" {
		return st.doc
	}
	doc, err := st.infoFor(scope).Marshal()
	if err != nil { // never: doc was made so
		return st.doc
	}
	return doc
}

// urlOf is the URL for clients of the relay that r has asked, without a path of a
// policy.
func (st *settings) urlOf(r *http.Request) string {
	at := origin.Of(r, st.cfg.TrustedProxies).To.Value()
	if st.cfg.URL == "" || st.scope(r, "") != "" {
		return at.URL
	}
	return strings.TrimRight(st.cfg.URL, "/")
}
