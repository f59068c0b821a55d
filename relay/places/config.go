package places

import (
	"math"
	"time"

	"moa/nips/event"
	"moa/policy/conf"
	"moa/relay/replay"
)

// Config is what a relay for places has besides. The zero Config is none of it.
type Config struct {
	Replay        time.Duration `toml:"replay"`                                        // for how long ephemeral events are shown to clients that come late; 0: not at all
	ReplayKinds   []int         `toml:"replay_kinds"`                                  // ephemeral ones
	ReplayPerCell int           `toml:"replay_per_cell" default:"200" least:"1"`       // events of one kind in one cell
	ReplayEvents  int           `toml:"replay_events" default:"20000" least:"1"`       // in all
	ReplayBytes   int           `toml:"replay_bytes" default:"33554432" least:"65536"` // of memory
	HTTP          bool          `toml:"http"`
}

// Check notes what is wrong in the table geo.
func (c *Config) Check(bad *conf.Faults) {
	if c.Replay < 0 || c.Replay > replay.MaxTTL {
		bad.Add("geo.replay", "%v is not from 0s to %v", c.Replay, replay.MaxTTL)
	}
	for _, k := range c.ReplayKinds {
		if k < 0 || k > math.MaxUint16 || !event.Ephemeral(uint16(k)) {
			bad.Add("geo.replay_kinds", "%d is not an ephemeral kind, 20000 to 29999", k)
		}
	}
	if c.Replay != 0 {
		*bad = append(*bad, conf.Check("geo", c)...)
	}
}

// Buffer is what the events to replay are held to.
func (c *Config) Buffer() replay.Config {
	if c.Replay == 0 {
		return replay.Config{}
	}
	kinds := make([]uint16, len(c.ReplayKinds))
	for i, k := range c.ReplayKinds {
		kinds[i] = uint16(k)
	}
	return replay.Config{TTL: c.Replay, Kinds: kinds, PerCell: c.ReplayPerCell, Events: c.ReplayEvents, Bytes: c.ReplayBytes}
}
