package main

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"iter"
	"net/netip"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"time"

	"moa/nips/nip19"
	"moa/nips/sig"
	"moa/policy/builtin"
	"moa/policy/conf"
	"moa/relay"
)

// Config is the config file. Its documentation, with every key, its unit and
// its default, is the file moa.toml beside this one, which `moa config` prints.
//
// A field with a `relay` tag is copied to that field of relay.Config, whose
// default is its default.
type Config struct {
	Listen         string   `toml:"listen" relay:"Listen"`
	Data           string   `toml:"data"`
	URL            string   `toml:"url" relay:"URL"`
	TrustedProxies []prefix `toml:"trusted_proxies"`

	Info    infoConfig       `toml:"info"`
	Clients clientsConfig    `toml:"clients"`
	Limits  limitsConfig     `toml:"limits"`
	Sync    syncConfig       `toml:"sync"`
	Geo     geoConfig        `toml:"geo"`
	Self    selfConfig       `toml:"self"`
	Store   storeConfig      `toml:"store"`
	Metrics metricsConfig    `toml:"metrics"`
	Log     logConfig        `toml:"log"`
	Process processConfig    `toml:"process"`
	Policy  []map[string]any `toml:"policy"` // the [[policy]] tables; package builtin reads them
}

type infoConfig struct {
	Name           string `toml:"name" relay:"Info.Name"`
	Description    string `toml:"description" relay:"Info.Description"`
	Icon           string `toml:"icon" relay:"Info.Icon"`
	Banner         string `toml:"banner" relay:"Info.Banner"`
	PubKey         pubKey `toml:"pubkey" relay:"Info.PubKey"`
	Self           pubKey `toml:"self" relay:"Info.Self"`
	Contact        string `toml:"contact" relay:"Info.Contact"`
	TermsOfService string `toml:"terms_of_service" relay:"Info.TermsOfService"`
	PaymentsURL    string `toml:"payments_url" relay:"Info.PaymentsURL"`
	Software       string `toml:"software" relay:"Info.Software"`
}

type clientsConfig struct {
	AuthOnConnect bool     `toml:"auth_on_connect" relay:"AuthOnConnect"`
	EOSEHints     bool     `toml:"eose_hints" relay:"EOSEHints"`
	CountSketches bool     `toml:"count_sketches" relay:"CountSketches"`
	Compression   bool     `toml:"compression" relay:"Compression"`
	PingEvery     duration `toml:"ping_every" relay:"PingEvery"`
	WriteTimeout  duration `toml:"write_timeout" relay:"WriteTimeout"`
}

type limitsConfig struct {
	MessageBytes     int `toml:"message_bytes" relay:"Limits.MessageBytes"`
	EventTags        int `toml:"event_tags" relay:"Limits.EventTags"`
	ContentLength    int `toml:"content_length" relay:"Limits.ContentLength"`
	Subscriptions    int `toml:"subscriptions" relay:"Limits.Subscriptions"`
	Filters          int `toml:"filters" relay:"Limits.Filters"`
	FilterValues     int `toml:"filter_values" relay:"Limits.FilterValues"`
	FilterBytes      int `toml:"filter_bytes" relay:"Limits.FilterBytes"`
	FiltersTotalMiB  int `toml:"filters_total_mib" relay:"Limits.FiltersTotalMiB"`
	Limit            int `toml:"limit" relay:"Limits.Limit"`
	DefaultLimit     int `toml:"default_limit" relay:"Limits.DefaultLimit"`
	Connections      int `toml:"connections" relay:"Limits.Connections"`
	ConnectionsPerIP int `toml:"connections_per_ip" relay:"Limits.ConnectionsPerIP"`
	Handshakes       int `toml:"handshakes" relay:"Limits.Handshakes"`
	Vanishes         int `toml:"vanishes" relay:"Limits.Vanishes"`
	VanishesPerIP    int `toml:"vanishes_per_ip" relay:"Limits.VanishesPerIP"`
	Counts           int `toml:"counts" relay:"Limits.Counts"`
	CountsPerIP      int `toml:"counts_per_ip" relay:"Limits.CountsPerIP"`
	OutboxTotalMiB   int `toml:"outbox_total_mib" relay:"Limits.OutboxTotalMiB"`
	OutboxBytes      int `toml:"outbox_bytes" relay:"Limits.OutboxBytes"`
	TicketEvents     int `toml:"ticket_events" relay:"Limits.TicketEvents"`
	TicketBytes      int `toml:"ticket_bytes" relay:"Limits.TicketBytes"`
}

type syncConfig struct {
	Enabled     bool     `toml:"enabled" relay:"Sync.Enabled"`
	Sessions    int      `toml:"sessions" relay:"Sync.Sessions"`
	Events      int      `toml:"events" relay:"Sync.Events"`
	TotalEvents int      `toml:"total_events" relay:"Sync.TotalEvents"`
	FrameBytes  int      `toml:"frame_bytes" relay:"Sync.FrameBytes"`
	Idle        duration `toml:"idle" relay:"Sync.Idle"`
}

type geoConfig struct {
	Replay        duration `toml:"replay" relay:"Geo.Replay"`
	ReplayKinds   []int    `toml:"replay_kinds" relay:"Geo.ReplayKinds"`
	ReplayPerCell int      `toml:"replay_per_cell" relay:"Geo.ReplayPerCell"`
	ReplayEvents  int      `toml:"replay_events" relay:"Geo.ReplayEvents"`
	ReplayBytes   int      `toml:"replay_bytes" relay:"Geo.ReplayBytes"`
	HTTP          bool     `toml:"http" relay:"Geo.HTTP"`
}

type selfConfig struct {
	Key       secret   `toml:"key"`
	KeyFile   string   `toml:"key_file"`
	Publish   bool     `toml:"publish" relay:"Self.Publish"`
	Every     duration `toml:"every" relay:"Self.Every"`
	Topics    []string `toml:"topics" relay:"Self.Topics"`
	Languages []string `toml:"languages" relay:"Self.Languages"`
	Relays    []string `toml:"relays" relay:"Self.Relays"`
}

type storeConfig struct {
	Sync       bool `toml:"sync"`
	CacheMiB   int  `toml:"cache_mib"`
	HotMiB     int  `toml:"hot_mib"`
	ReserveMiB int  `toml:"reserve_mib"`
	ScrubMiB   int  `toml:"scrub_mib"`
}

type metricsConfig struct {
	Enabled bool   `toml:"enabled" relay:"Metrics"`
	Public  bool   `toml:"public" relay:"MetricsPublic"`
	Listen  string `toml:"listen" relay:"MetricsListen"`
	Pprof   bool   `toml:"pprof" relay:"Pprof"`
}

type logConfig struct {
	Level  string `toml:"level"`
	Format string `toml:"format"`
}

type processConfig struct {
	Verifier      string   `toml:"verifier"`
	MemoryMiB     int      `toml:"memory_mib"`
	OpenFiles     int      `toml:"open_files"`
	IOUring       bool     `toml:"io_uring" relay:"IOUring"`
	ShutdownGrace duration `toml:"shutdown_grace" relay:"ShutdownGrace"`
}

//go:embed moa.toml
var sampleHead string

// sample is the documented config file with all defaults.
func sample() string { return sampleHead + builtin.Samples() }

// leaves are the keys that have a flag and an environment variable.
func (c *Config) leaves() iter.Seq[leaf] { return leaves(reflect.ValueOf(c).Elem(), "") }

// Default returns the configuration of a relay that was told nothing.
func Default() Config {
	defaults := relay.DefaultConfig()
	c := Config{
		Data:    "./moa-data",
		Store:   storeConfig{Sync: true, CacheMiB: 128, HotMiB: 96, ReserveMiB: 512, ScrubMiB: 2},
		Log:     logConfig{Level: "info", Format: "auto"},
		Process: processConfig{Verifier: sig.Auto},
	}
	c.link(&defaults, func(ours, theirs reflect.Value) { ours.Set(theirs.Convert(ours.Type())) })
	for _, p := range defaults.TrustedProxies {
		c.TrustedProxies = append(c.TrustedProxies, prefix{p})
	}
	return c
}

// relay returns what the relay's engine is to know. c is valid.
func (c *Config) relay() relay.Config {
	out := relay.DefaultConfig()
	c.link(&out, func(ours, theirs reflect.Value) { theirs.Set(ours.Convert(theirs.Type())) })
	out.TrustedProxies = nil
	for _, p := range c.TrustedProxies {
		out.TrustedProxies = append(out.TrustedProxies, p.Prefix)
	}
	b := version()
	out.Info.Version, out.Info.Software = b.String(), cmp.Or(c.Info.Software, b.Home)
	return out
}

// link calls pair for each field with a `relay` tag and its counterpart.
func (c *Config) link(r *relay.Config, pair func(ours, theirs reflect.Value)) {
	for l := range c.leaves() {
		if l.relay == "" {
			continue
		}
		theirs := reflect.ValueOf(r).Elem()
		for name := range strings.SplitSeq(l.relay, ".") {
			theirs = theirs.FieldByName(name)
		}
		if !theirs.IsValid() {
			panic("relay.Config has no " + l.relay)
		}
		pair(l.value, theirs)
	}
}

// Validate returns every fault, the policies' aside.
func (c *Config) Validate() (faults []conf.Fault) {
	fault := func(path, format string, args ...any) {
		faults = append(faults, conf.Fault{Path: path, Text: fmt.Sprintf(format, args...)})
	}
	if c.Data == "" {
		fault("data", "missing; it names the folder of the store")
	}
	oneOf := func(path, value string, words ...string) {
		if !slices.Contains(words, value) {
			fault(path, "%q is none of %s", value, strings.Join(words, ", "))
		}
	}
	oneOf("log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf("log.format", c.Log.Format, "auto", "text", "json")
	oneOf("process.verifier", c.Process.Verifier, append([]string{sig.Auto}, sig.Names()...)...)
	for path, n := range map[string]int{
		"process.memory_mib": c.Process.MemoryMiB, "process.open_files": c.Process.OpenFiles,
		"store.hot_mib": c.Store.HotMiB, "store.reserve_mib": c.Store.ReserveMiB,
		"store.scrub_mib": c.Store.ScrubMiB,
	} {
		if n < 0 {
			fault(path, "%d is less than 0", n)
		}
	}
	if c.Store.CacheMiB < 32 {
		fault("store.cache_mib", "%d is less than 32", c.Store.CacheMiB)
	}
	c.checkKey(fault)
	r := c.relay()
	faults = append(faults, c.relayFaults(r.Validate())...)
	slices.SortFunc(faults, func(a, b conf.Fault) int { return strings.Compare(a.Path, b.Path) })
	return faults
}

// restart are the keys, or tables of keys, that a reload does not change. The
// sample marks them.
var restart = []string{
	"listen", "data", "clients.ping_every",
	"limits.handshakes", "limits.outbox_bytes", "limits.ticket_events", "limits.ticket_bytes",
	"self.key", "self.key_file", "self.publish",
	"store.", "metrics.listen", "log.format", "process.",
}

// needsRestart are the keys in which now differs from c and which need one.
func (c *Config) needsRestart(now *Config) (paths []string) {
	news := map[string]any{}
	for l := range now.leaves() {
		news[l.path] = l.value.Interface()
	}
	for l := range c.leaves() {
		fixed := slices.ContainsFunc(restart, func(r string) bool {
			return l.path == r || strings.HasSuffix(r, ".") && strings.HasPrefix(l.path, r)
		})
		if fixed && !reflect.DeepEqual(l.value.Interface(), news[l.path]) {
			paths = append(paths, l.path)
		}
	}
	return paths
}

// relayFaults gives the faults that package relay has found the paths of the
// config file.
func (c *Config) relayFaults(err error) (faults []conf.Fault) {
	if err == nil {
		return nil
	}
	paths := map[string]string{"TrustedProxies": "trusted_proxies"}
	for l := range c.leaves() {
		if l.relay != "" {
			paths[l.relay] = l.path
		}
	}
	for _, one := range split(err) {
		field, text, _ := strings.Cut(one.Error(), ": ")
		path, ok := paths[field]
		if !ok {
			path, text = "config", one.Error()
		}
		text = relayField.ReplaceAllStringFunc(text, func(field string) string { return cmp.Or(paths[field], field) })
		faults = append(faults, conf.Fault{Path: path, Text: text})
	}
	return faults
}

// relayField finds the names of relay.Config's fields in a fault's text.
var relayField = regexp.MustCompile(`\b(Limits|Info|Sync|Geo|Self)\.\w+`)

// split undoes errors.Join.
func split(err error) []error {
	if many, ok := err.(interface{ Unwrap() []error }); ok {
		return many.Unwrap()
	}
	return []error{err}
}

// duration is a time.Duration that a file writes as "1m30s".
type duration time.Duration

func (d *duration) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf(`%q is not a time: want "500ms", "20s" or "1m30s"`, text)
	}
	*d = duration(parsed)
	return nil
}

// pubKey is a public key in hex, which a file may write as an npub too.
type pubKey string

func (k *pubKey) UnmarshalText(text []byte) error {
	if len(text) == 0 {
		*k = ""
		return nil
	}
	pk, err := nip19.ParsePubKey(string(text))
	if err != nil && !errors.Is(err, nip19.ErrSecret) { // which is not repeated
		return fmt.Errorf("%q is no public key: %w", text, err)
	}
	*k = pubKey(pk.String())
	return err
}

// prefix is a network, or one address.
type prefix struct{ netip.Prefix }

func (p *prefix) UnmarshalText(text []byte) error {
	if a, err := netip.ParseAddr(string(text)); err == nil {
		p.Prefix = netip.PrefixFrom(a, a.BitLen())
		return nil
	}
	parsed, err := netip.ParsePrefix(string(text))
	if err != nil {
		return fmt.Errorf(`%q is not a network: want "10.0.0.0/8", "fd00::/8" or an address`, text)
	}
	p.Prefix = parsed.Masked()
	return nil
}
