package places

import (
	"slices"
	"strings"

	"moa/nips/geohash"
	"moa/policy"
)

// Document is the field `geo` of the information document, an extension of
// NIP-11.
type Document struct {
	Regions bool    `json:"regions"`                  // "#g": ["u33*"] is understood
	Area    *Area   `json:"area,omitempty"`           // only events from there are taken
	Replay  int64   `json:"replay_seconds,omitempty"` // ephemeral events are shown for so long
	HTTP    bool    `json:"http,omitempty"`           // /geo/events and /geo/cells answer
	Scopes  *Scopes `json:"scopes,omitempty"`         // where each cell has a relay of its own
	Scope   string  `json:"scope,omitempty"`          // the cell whose relay this is
}

// Scopes are the relays for single cells.
type Scopes struct {
	Path   string `json:"path,omitempty"`   // behind the relay's URL, and before the geohash
	Domain string `json:"domain,omitempty"` // behind the geohash and a dot
}

// Area is an area by a name and by geohashes that cover it.
type Area struct {
	Name      string   `json:"name,omitempty"`
	Geohashes []string `json:"geohashes"`
}

// maxAreaCells is how many geohashes describe an area at most.
const maxAreaCells = 16

// Describe returns what a relay with such a chain tells of places; scope is the
// cell that it is for, "" if it is for all.
func Describe(cfg *Config, chain *policy.Chain, scope string) Document {
	doc := Document{Regions: true, Replay: int64(cfg.Replay.Seconds()), HTTP: cfg.HTTP, Scope: scope}
	if p := areaOf(chain); p != nil {
		doc.Area = &Area{p.AreaName(), p.Area().Prefixes(maxAreaCells)}
	}
	if p := policy.Find[policy.ScopePolicy](chain); p != nil {
		doc.Scopes = new(Scopes)
		doc.Scopes.Path, doc.Scopes.Domain = p.Scopes()
	}
	return doc
}

func areaOf(chain *policy.Chain) policy.AreaPolicy { return policy.Find[policy.AreaPolicy](chain) }

// Cells are geohashes that cover the area that everybody's events must be from,
// none if there is no such area.
func Cells(chain *policy.Chain) []string {
	if p := areaOf(chain); p != nil {
		return p.Area().Prefixes(maxAreaCells)
	}
	return nil
}

// Ladders are the geohashes by which the relay is found by its area: first those
// of the area's middle, the coarsest first, and then of every cell that is part of
// what covers the area.
func Ladders(chain *policy.Chain) (hashes []string) {
	p := areaOf(chain)
	if p == nil {
		return nil
	}
	for _, cell := range append([]string{p.Area().Centre()}, Cells(chain)...) {
		for _, step := range geohash.Ladder(cell) {
			if !slices.Contains(hashes, step) {
				hashes = append(hashes, step)
			}
		}
	}
	return hashes
}

// ScopeURLs are, as examples, the URLs for one cell of the relay that is at url:
// the cell in the middle of the area if there is one.
func ScopeURLs(chain *policy.Chain, url string) (all []string) {
	scopes := policy.Find[policy.ScopePolicy](chain)
	if scopes == nil {
		return nil
	}
	cell := "u33"
	if p := areaOf(chain); p != nil {
		cell = p.Area().Centre()
	}
	path, domain := scopes.Scopes()
	if path != "" {
		all = append(all, url+path+cell)
	}
	if domain != "" {
		scheme, _, _ := strings.Cut(url, "://")
		all = append(all, scheme+"://"+cell+"."+domain)
	}
	return all
}
