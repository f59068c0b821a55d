package relay

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip77"
	"moa/policy/conf"
	"moa/relay/places"
)

// Config is everything about a relay that is a plain value. DefaultConfig
// fills it; the zero Config is not usable.
//
// A field's tags are all that there is to say of its key in the configuration
// file: the path, the default, and of a whole number the bound that Validate
// holds it to. Package conf reads them.
type Config struct {
	Listen string `toml:"listen" default:"127.0.0.1:7447"` // HOST:PORT of the relay itself; port 0 takes a free one
	// URL is the relay's public ws:// or wss:// URL, as AUTH and vanish
	// requests name it. "": for AUTH the host that the client connected to;
	// requests to vanish must then name ALL_RELAYS, but on this machine.
	URL string `toml:"url"`
	// TrustedProxies are the only peers whose X-Forwarded-For, Forwarded,
	// X-Real-IP, X-Forwarded-Host and X-Forwarded-Proto are believed. A proxy
	// must overwrite those that it knows; set URL if it forwards a client's
	// X-Forwarded-Host, for the one that chooses the host chooses what AUTH is for.
	TrustedProxies []netip.Prefix `toml:"trusted_proxies"`

	Info   Info          `toml:"info"`
	Limits Limits        `toml:"limits"`
	Sync   Sync          `toml:"sync"`
	Geo    places.Config `toml:"geo"`
	Self   Self          `toml:"self"`

	Members Members `toml:"members"`
	Admin   Admin   `toml:"admin"`

	Metrics       bool   `toml:"metrics.enabled" default:"true"` // serve /metrics, beside the relay only to this machine
	MetricsPublic bool   `toml:"metrics.public"`                 // serve it beside the relay to everybody
	MetricsListen string `toml:"metrics.listen"`                 // HOST:PORT for /metrics and pprof, for all that reach it; "": beside the relay
	Pprof         bool   `toml:"metrics.pprof"`                  // serve /debug/pprof/, beside the relay only to this machine

	AuthOnConnect bool `toml:"clients.auth_on_connect"`               // send the AUTH challenge at once, not with the first auth-required
	EOSEHints     bool `toml:"clients.eose_hints"`                    // tell in EOSE whether everything was sent (NIP-67), which some clients cannot read
	CountSketches bool `toml:"clients.count_sketches" default:"true"` // answer COUNT with a HyperLogLog too, where there is one (NIP-45)
	Compression   bool `toml:"clients.compression" default:"true"`    // offer permessage-deflate (RFC 7692)

	PingEvery     time.Duration `toml:"clients.ping_every" default:"50s"`     // between pings on a silent connection
	WriteTimeout  time.Duration `toml:"clients.write_timeout" default:"20s"`  // for a client to take what is sent
	IOUring       bool          `toml:"process.io_uring" default:"true"`      // write to many clients in one system call (Linux)
	ShutdownGrace time.Duration `toml:"process.shutdown_grace" default:"10s"` // for the whole ordered shutdown
}

// Info is what the relay says about itself in NIP-11 and on its page.
type Info struct {
	Name           string `toml:"name" default:"moa"`
	Description    string `toml:"description"`
	Banner         string `toml:"banner"`           // URL
	Icon           string `toml:"icon"`             // URL
	PubKey         string `toml:"pubkey"`           // of the operator, 64 hex characters
	Self           string `toml:"self"`             // of the relay itself, 64 hex characters
	Contact        string `toml:"contact"`          // URI
	TermsOfService string `toml:"terms_of_service"` // URL
	PaymentsURL    string `toml:"payments_url"`
	Software       string `toml:"software"` // URL of the program, "" if there is none to tell
	Version        string // of the program; no key

	// LastNotes are so many of the newest notes that anybody may read, on the page at
	// "/".
	LastNotes int `toml:"last_notes" default:"8" least:"0"`
}

// Limits are enforced, and those that NIP-11 names are advertised.
type Limits struct {
	MessageBytes  int `toml:"message_bytes" default:"524288" least:"1024"`  // of one message, inflated; one of more than twice as many ends the connection
	Subscriptions int `toml:"subscriptions" default:"128" least:"1"`        // open at once on one connection
	Filters       int `toml:"filters" default:"32" least:"1"`               // of one REQ or COUNT
	FilterValues  int `toml:"filter_values" default:"5000" least:"1"`       // in all lists of one filter together
	FilterBytes   int `toml:"filter_bytes" default:"12582912" least:"1024"` // of memory, for all filters open at once on one connection
	Limit         int `toml:"limit" default:"5000" least:"1"`               // of a filter; a higher one is clamped
	DefaultLimit  int `toml:"default_limit" default:"500" least:"1"`        // of a filter that names none
	EventTags     int `toml:"event_tags" default:"5000" least:"1"`          // tags of one event
	ContentLength int `toml:"content_length" default:"262144" least:"1"`    // characters of an event's content

	Connections      int `toml:"connections" default:"100000" least:"0"`     // in all; 0: no bound
	ConnectionsPerIP int `toml:"connections_per_ip" default:"256" least:"0"` // from one address, IPv6 by /64, loopback free; 0: no bound
	Handshakes       int `toml:"handshakes" default:"4096" least:"1"`        // TCP connections that are no WebSocket (yet)

	Vanishes      int `toml:"vanishes" default:"600" least:"0"`       // requests to vanish (NIP-62) an hour, loopback's aside; 0: no bound
	VanishesPerIP int `toml:"vanishes_per_ip" default:"20" least:"0"` // of those, from one address, IPv6 by /64; 0: no bound

	// TagsPerIP are those of events that have many, and all that such an event costs
	// the writer: see ticket.weight.
	TagsPerIP int `toml:"tags_per_ip" default:"120000" least:"0"` // a minute from one address, IPv6 by /64, loopback free; 0: no bound

	// FiltersTotalMiB is for the filters of all clients together, InboxTotalMiB for
	// the messages that are being received, and OutboxTotalMiB for what waits for
	// clients to read. 0: an eighth, an eighth and a quarter of the memory limit
	// (GOMEMLIMIT), or 256, 256 and 512 if there is none.
	FiltersTotalMiB int `toml:"filters_total_mib" least:"0"`
	InboxTotalMiB   int `toml:"inbox_total_mib" least:"0"`
	OutboxTotalMiB  int `toml:"outbox_total_mib" least:"0"`

	Counts       int `toml:"counts" default:"64" least:"1"`                // COUNTs waiting or under way on one connection
	CountsPerIP  int `toml:"counts_per_ip" default:"128" least:"1"`        // of those, from one address, IPv6 by /64
	OutboxBytes  int `toml:"outbox_bytes" default:"4194304" least:"65536"` // waiting for one client to read
	TicketEvents int `toml:"ticket_events" default:"4096" least:"1"`       // waiting for the writer
	TicketBytes  int `toml:"ticket_bytes" default:"33554432" least:"1"`    // waiting for the writer
}

// Sync is about reconciliation by negentropy (NIP-77). An event takes 41 bytes
// of memory while it is part of one.
type Sync struct {
	Enabled     bool          `toml:"enabled" default:"true"`
	Sessions    int           `toml:"sessions" default:"64" least:"1"`          // open at once on one connection
	Events      int           `toml:"events" default:"1000000" least:"1"`       // of one session
	TotalEvents int           `toml:"total_events" default:"2000000" least:"1"` // of all sessions together
	FrameBytes  int           `toml:"frame_bytes" default:"250000"`             // of one answer, before it becomes hex; at most an eighth of Limits.OutboxBytes
	Idle        time.Duration `toml:"idle" default:"1m"`                        // without a message, until a session is ended
}

// plainDescription says nothing that the operator has said.
const plainDescription = "A Nostr relay."

// DefaultConfig returns the configuration of a public relay on this machine.
func DefaultConfig() (c Config) {
	conf.SetDefaults(&c)
	c.Info.Description = plainDescription
	c.Geo.ReplayKinds = []int{event.KindGeoChat, event.KindGeoPresence}
	return c
}

// Validate reports every fault at once. Their paths are those of the configuration
// file, which are the toml tags of the fields.
func (c *Config) Validate() (bad conf.Faults) {
	checkAddress(&bad, "listen", c.Listen)
	if c.MetricsListen != "" {
		checkAddress(&bad, "metrics.listen", c.MetricsListen)
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		switch {
		case err != nil:
			bad.AddError("url", err)
		case u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "":
			bad.Add("url", "%q is not a ws:// or wss:// URL", c.URL)
		case strings.Trim(u.Path, "/") != "":
			bad.Add("url", "%q has a path; the relay is served at / only", c.URL)
		}
	}
	if u, err := url.Parse(c.Info.Software); c.Info.Software != "" && (err != nil || u.Scheme == "" || u.Host == "") {
		bad.Add("info.software", "%q is not a URL", c.Info.Software)
	}
	for path, key := range map[string]string{"info.pubkey": c.Info.PubKey, "info.self": c.Info.Self} {
		if _, err := event.ParsePubKey(key); key != "" && err != nil {
			bad.AddError(path, err)
		}
	}
	bad = append(bad, conf.Check("info", &c.Info)...)
	if c.Info.LastNotes > mostLastNotes {
		bad.Add("info.last_notes", "%d is more than %d", c.Info.LastNotes, mostLastNotes)
	}
	bad = append(bad, conf.Check("limits", &c.Limits)...)
	if c.Limits.DefaultLimit > c.Limits.Limit {
		bad.Add("limits.default_limit", "%d is more than limits.limit, %d", c.Limits.DefaultLimit, c.Limits.Limit)
	}
	bad = append(bad, conf.Check("sync", &c.Sync)...)
	if c.Sync.FrameBytes < nip77.MinFrame {
		bad.Add("sync.frame_bytes", "%d is less than %d", c.Sync.FrameBytes, nip77.MinFrame)
	}
	if c.Sync.TotalEvents < c.Sync.Events {
		bad.Add("sync.total_events", "%d is less than sync.events, %d", c.Sync.TotalEvents, c.Sync.Events)
	}
	for path, d := range map[string]time.Duration{
		"sync.idle": c.Sync.Idle, "clients.ping_every": c.PingEvery, "clients.write_timeout": c.WriteTimeout, "process.shutdown_grace": c.ShutdownGrace,
	} {
		if d <= 0 {
			bad.Add(path, "%v is not a positive time", d)
		}
	}
	c.Geo.Check(&bad)
	c.Self.check(&bad, c.URL)
	c.Members.check(&bad)
	c.Admin.check(&bad)
	slices.SortStableFunc(bad, func(a, b conf.Fault) int { return strings.Compare(a.Path, b.Path) })
	return bad
}

// mostLastNotes bounds what one visit of the page costs.
const mostLastNotes = 50

// checkAddress notes what is no HOST:PORT to listen on.
func checkAddress(bad *conf.Faults, path, address string) {
	no := fmt.Sprintf("%q is no address", address)
	switch host, port, err := net.SplitHostPort(address); {
	case err != nil:
		*bad = append(*bad, conf.Fault{Path: path, Wrong: no, Want: `"HOST:PORT", "127.0.0.1:7447" or ":7447"`})
	case !isPort(port):
		bad.Add(path, "%s: its port is no number from 0 to 65535", no)
	case strings.ContainsAny(host, "/ @"):
		bad.Add(path, "%s: %q is no host", no, host)
	}
}

func isPort(text string) bool {
	_, err := strconv.ParseUint(text, 10, 16)
	return err == nil
}
