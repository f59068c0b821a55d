package relay

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip77"
)

// Config is everything about a relay that is a plain value. DefaultConfig
// fills it; the zero Config is not usable.
type Config struct {
	Listen string // HOST:PORT of the relay itself; port 0 takes a free one
	// URL is the relay's public ws:// or wss:// URL, as AUTH and vanish
	// requests name it. "": for AUTH the host that the client connected to;
	// requests to vanish must then name ALL_RELAYS, but on this machine.
	URL string
	// TrustedProxies are the only peers whose X-Forwarded-For, Forwarded,
	// X-Real-IP, X-Forwarded-Host and X-Forwarded-Proto are believed. A proxy
	// must overwrite those that it knows; set URL if it passes on a client's
	// X-Forwarded-Host, for who chooses the host chooses what AUTH is for.
	TrustedProxies []netip.Prefix

	Metrics       bool   // serve /metrics, beside the relay only to this machine
	MetricsPublic bool   // serve it beside the relay to everybody
	MetricsListen string // HOST:PORT for /metrics and pprof, to whoever reaches it; "": beside the relay
	Pprof         bool   // serve /debug/pprof/, beside the relay only to this machine

	Info   Info
	Limits Limits
	Sync   Sync
	Geo    Geo
	Self   Self

	Compression   bool // offer permessage-deflate (RFC 7692)
	CountSketches bool // answer COUNT with a HyperLogLog too, where there is one (NIP-45)
	EOSEHints     bool // tell in EOSE whether everything was sent (NIP-67), which some clients cannot read
	AuthOnConnect bool // send the AUTH challenge at once, not with the first auth-required

	PingEvery     time.Duration // between pings on a silent connection
	WriteTimeout  time.Duration // for a client to take what is sent
	IOUring       bool          // write to many clients in one system call (Linux)
	ShutdownGrace time.Duration // for the whole ordered shutdown
}

// Info is what the relay says about itself in NIP-11 and on its page.
type Info struct {
	Name           string
	Description    string
	Banner         string // URL
	Icon           string // URL
	PubKey         string // of the operator, 64 hex characters
	Self           string // of the relay itself, 64 hex characters
	Contact        string // URI
	TermsOfService string // URL
	PaymentsURL    string
	Software       string // URL of the program, "" if there is none to tell
	Version        string
}

// Limits are enforced, and those that NIP-11 names are advertised.
type Limits struct {
	MessageBytes  int // of one message, inflated; one of more than twice as many ends the connection
	Subscriptions int // open at once on one connection
	Filters       int // of one REQ or COUNT
	FilterValues  int // in all lists of one filter together
	FilterBytes   int // of memory, for all filters open at once on one connection
	Limit         int // of a filter; a higher one is clamped
	DefaultLimit  int // of a filter that names none
	EventTags     int // tags of one event
	ContentLength int // characters of an event's content

	Connections      int // in all; 0: no bound
	ConnectionsPerIP int // from one address, IPv6 by /64, loopback free; 0: no bound
	Handshakes       int // TCP connections that are no WebSocket (yet)

	Vanishes      int // requests to vanish (NIP-62) an hour, loopback's aside; 0: no bound
	VanishesPerIP int // of those, from one address, IPv6 by /64; 0: no bound

	// FiltersTotalMiB is for the filters of all clients together, and
	// OutboxTotalMiB for what waits for all of them to read. 0: an eighth and a
	// quarter of the memory limit (GOMEMLIMIT), or 256 and 512 if there is none.
	FiltersTotalMiB int
	OutboxTotalMiB  int

	Counts       int // COUNTs waiting or under way on one connection
	CountsPerIP  int // of those, from one address, IPv6 by /64
	OutboxBytes  int // waiting for one client to read
	TicketEvents int // waiting for the writer
	TicketBytes  int // waiting for the writer
}

// Sync is about reconciliation by negentropy (NIP-77). An event takes 41 bytes
// of memory while it is part of one.
type Sync struct {
	Enabled     bool
	Sessions    int           // open at once on one connection
	Events      int           // of one session
	TotalEvents int           // of all sessions together
	FrameBytes  int           // of one answer, before it becomes hex; at most an eighth of Limits.OutboxBytes
	Idle        time.Duration // without a message, until a session is ended
}

// plainDescription says nothing that the operator has said.
const plainDescription = "A Nostr relay."

// DefaultConfig returns the configuration of a public relay on this machine.
func DefaultConfig() Config {
	return Config{
		Listen:  "127.0.0.1:7447",
		Metrics: true,
		Info: Info{
			Name:        "moa",
			Description: plainDescription,
		},
		Limits: Limits{
			MessageBytes:     512 << 10,
			Subscriptions:    128,
			Filters:          32,
			FilterValues:     5000,
			FilterBytes:      12 << 20,
			Limit:            5000,
			DefaultLimit:     500,
			EventTags:        5000,
			ContentLength:    256 << 10,
			Connections:      100_000,
			ConnectionsPerIP: 256,
			Handshakes:       4096,
			Vanishes:         600,
			VanishesPerIP:    20,
			Counts:           64,
			CountsPerIP:      128,
			OutboxBytes:      4 << 20,
			TicketEvents:     4096,
			TicketBytes:      32 << 20,
		},
		Sync: Sync{
			Enabled:     true,
			Sessions:    64,
			Events:      1_000_000,
			TotalEvents: 2_000_000,
			FrameBytes:  250_000,
			Idle:        time.Minute,
		},
		Geo:           defaultGeo(),
		Self:          Self{Every: 24 * time.Hour},
		Compression:   true,
		CountSketches: true,
		PingEvery:     50 * time.Second,
		WriteTimeout:  20 * time.Second,
		IOUring:       true,
		ShutdownGrace: 10 * time.Second,
	}
}

// Validate reports every fault at once.
func (c *Config) Validate() error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for name, address := range map[string]string{"Listen": c.Listen, "MetricsListen": c.MetricsListen} {
		if err := checkAddress(address); err != nil && (address != "" || name == "Listen") {
			fault("%s: %w", name, err)
		}
	}
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		switch {
		case err != nil:
			fault("URL: %w", err)
		case u.Scheme != "ws" && u.Scheme != "wss" || u.Host == "":
			fault("URL: %q is not a ws:// or wss:// URL", c.URL)
		case strings.Trim(u.Path, "/") != "":
			fault("URL: %q has a path; the relay is served at / only", c.URL)
		}
	}
	if u, err := url.Parse(c.Info.Software); c.Info.Software != "" && (err != nil || u.Scheme == "" || u.Host == "") {
		fault("Info.Software: %q is not a URL", c.Info.Software)
	}
	for name, key := range map[string]string{"Info.PubKey": c.Info.PubKey, "Info.Self": c.Info.Self} {
		if _, err := event.ParsePubKey(key); key != "" && err != nil {
			fault("%s: %w", name, err)
		}
	}
	for _, l := range c.Limits.all() {
		if l.value < l.least {
			fault("Limits.%s: %d is less than %d", l.name, l.value, l.least)
		}
	}
	if c.Limits.DefaultLimit > c.Limits.Limit {
		fault("Limits.DefaultLimit: %d is more than Limits.Limit, %d", c.Limits.DefaultLimit, c.Limits.Limit)
	}
	for _, l := range c.Sync.all() {
		if l.value < l.least {
			fault("Sync.%s: %d is less than %d", l.name, l.value, l.least)
		}
	}
	if c.Sync.TotalEvents < c.Sync.Events {
		fault("Sync.TotalEvents: %d is less than Sync.Events, %d", c.Sync.TotalEvents, c.Sync.Events)
	}
	for name, d := range map[string]time.Duration{"Sync.Idle": c.Sync.Idle, "PingEvery": c.PingEvery, "WriteTimeout": c.WriteTimeout, "ShutdownGrace": c.ShutdownGrace} {
		if d <= 0 {
			fault("%s: %v is not a positive time", name, d)
		}
	}
	faults = append(faults, c.Geo.faults()...)
	return errors.Join(append(faults, c.selfFaults()...)...)
}

// checkAddress reports what is no HOST:PORT to listen on.
func checkAddress(address string) error {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return fmt.Errorf(`%q is no address: want "HOST:PORT", "127.0.0.1:7447" or ":7447"`, address)
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return fmt.Errorf("%q is no address: its port is no number from 0 to 65535", address)
	}
	if strings.ContainsAny(host, "/ @") {
		return fmt.Errorf("%q is no address: %q is no host", address, host)
	}
	return nil
}

type limit struct {
	name         string
	value, least int
}

func (l *Limits) all() []limit {
	return []limit{
		{"MessageBytes", l.MessageBytes, 1024},
		{"Subscriptions", l.Subscriptions, 1},
		{"Filters", l.Filters, 1},
		{"FilterValues", l.FilterValues, 1},
		{"FilterBytes", l.FilterBytes, 1024},
		{"FiltersTotalMiB", l.FiltersTotalMiB, 0},
		{"OutboxTotalMiB", l.OutboxTotalMiB, 0},
		{"Limit", l.Limit, 1},
		{"DefaultLimit", l.DefaultLimit, 1},
		{"EventTags", l.EventTags, 1},
		{"ContentLength", l.ContentLength, 1},
		{"Connections", l.Connections, 0},
		{"ConnectionsPerIP", l.ConnectionsPerIP, 0},
		{"Handshakes", l.Handshakes, 1},
		{"Vanishes", l.Vanishes, 0},
		{"VanishesPerIP", l.VanishesPerIP, 0},
		{"Counts", l.Counts, 1},
		{"CountsPerIP", l.CountsPerIP, 1},
		{"OutboxBytes", l.OutboxBytes, 64 << 10},
		{"TicketEvents", l.TicketEvents, 1},
		{"TicketBytes", l.TicketBytes, 1},
	}
}

func (s *Sync) all() []limit {
	return []limit{
		{"Sessions", s.Sessions, 1},
		{"Events", s.Events, 1},
		{"TotalEvents", s.TotalEvents, 1},
		{"FrameBytes", s.FrameBytes, nip77.MinFrame},
	}
}
