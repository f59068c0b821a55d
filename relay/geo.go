package relay

import (
	"fmt"
	"math"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/relay/replay"
)

// Geo is what a relay for places has besides. The zero Geo is none of it.
type Geo struct {
	Replay        time.Duration // for how long ephemeral events are shown to clients that come late; 0: not at all
	ReplayKinds   []int         // ephemeral ones
	ReplayPerCell int           // events of one kind in one cell
	ReplayEvents  int           // in all
	ReplayBytes   int           // of memory
	HTTP          bool
}

func defaultGeo() Geo {
	return Geo{
		ReplayKinds:   []int{event.KindGeoChat, event.KindGeoPresence},
		ReplayPerCell: 200,
		ReplayEvents:  20_000,
		ReplayBytes:   32 << 20,
	}
}

func (g *Geo) faults() (faults []error) {
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if g.Replay < 0 || g.Replay > replay.MaxTTL {
		fault("Geo.Replay: %v is not from 0s to %v", g.Replay, replay.MaxTTL)
	}
	for _, k := range g.ReplayKinds {
		if k < 0 || k > math.MaxUint16 || !event.Ephemeral(uint16(k)) {
			fault("Geo.ReplayKinds: %d is not an ephemeral kind, 20000 to 29999", k)
		}
	}
	for _, l := range []limit{{"ReplayPerCell", g.ReplayPerCell, 1}, {"ReplayEvents", g.ReplayEvents, 1}, {"ReplayBytes", g.ReplayBytes, 64 << 10}} {
		if g.Replay != 0 && l.value < l.least {
			fault("Geo.%s: %d is less than %d", l.name, l.value, l.least)
		}
	}
	return faults
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
