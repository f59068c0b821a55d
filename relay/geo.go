package relay

import (
	"math"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/conf"
	"moa/relay/replay"
)

// Geo is what a relay for places has besides. The zero Geo is none of it.
type Geo struct {
	Replay        time.Duration `toml:"replay"`                                        // for how long ephemeral events are shown to clients that come late; 0: not at all
	ReplayKinds   []int         `toml:"replay_kinds"`                                  // ephemeral ones
	ReplayPerCell int           `toml:"replay_per_cell" default:"200" least:"1"`       // events of one kind in one cell
	ReplayEvents  int           `toml:"replay_events" default:"20000" least:"1"`       // in all
	ReplayBytes   int           `toml:"replay_bytes" default:"33554432" least:"65536"` // of memory
	HTTP          bool          `toml:"http"`
}

func (g *Geo) check(bad *conf.Faults) {
	if g.Replay < 0 || g.Replay > replay.MaxTTL {
		bad.Add("geo.replay", "%v is not from 0s to %v", g.Replay, replay.MaxTTL)
	}
	for _, k := range g.ReplayKinds {
		if k < 0 || k > math.MaxUint16 || !event.Ephemeral(uint16(k)) {
			bad.Add("geo.replay_kinds", "%d is not an ephemeral kind, 20000 to 29999", k)
		}
	}
	if g.Replay != 0 {
		*bad = append(*bad, conf.Check("geo", g)...)
	}
}

func (g *Geo) replay() replay.Config {
	if g.Replay == 0 {
		return replay.Config{}
	}
	kinds := make([]uint16, len(g.ReplayKinds))
	for i, k := range g.ReplayKinds {
		kinds[i] = uint16(k)
	}
	return replay.Config{TTL: g.Replay, Kinds: kinds, PerCell: g.ReplayPerCell, Events: g.ReplayEvents, Bytes: g.ReplayBytes}
}

// geoDocument is the field `geo` of the information document, an extension of
// NIP-11.
type geoDocument struct {
	Regions bool       `json:"regions"`                  // "#g": ["u33*"] is understood
	Area    *geoArea   `json:"area,omitempty"`           // only events from there are taken
	Replay  int64      `json:"replay_seconds,omitempty"` // ephemeral events are shown for so long
	HTTP    bool       `json:"http,omitempty"`           // /geo/events and /geo/cells answer
	Scopes  *geoScopes `json:"scopes,omitempty"`         // where each cell has a relay of its own
	Scope   string     `json:"scope,omitempty"`          // the cell whose relay this is
}

// geoScopes are the relays for single cells.
type geoScopes struct {
	Path   string `json:"path,omitempty"`   // behind the relay's URL, and before the geohash
	Domain string `json:"domain,omitempty"` // behind the geohash and a dot
}

// geoArea is an area by a name and by geohashes that cover it.
type geoArea struct {
	Name      string   `json:"name,omitempty"`
	Geohashes []string `json:"geohashes"`
}

// maxAreaCells is how many geohashes describe an area at most.
const maxAreaCells = 16

func (st *settings) describeGeo(scope string) geoDocument {
	g := &st.cfg.Geo
	doc := geoDocument{Regions: true, Replay: int64(g.Replay.Seconds()), HTTP: g.HTTP, Scope: scope}
	if p := policy.Find[policy.AreaPolicy](st.chain); p != nil {
		doc.Area = &geoArea{p.AreaName(), p.Area().Prefixes(maxAreaCells)}
	}
	if p := st.scopes; p != nil {
		doc.Scopes = new(geoScopes)
		doc.Scopes.Path, doc.Scopes.Domain = p.Scopes()
	}
	return doc
}
