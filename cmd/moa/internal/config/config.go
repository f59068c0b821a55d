// Package config is the configuration of the command: the file, the flags and the
// environment variables that override it, and what is wrong or odd in it. It opens no
// store and starts nothing.
package config

import (
	"cmp"
	"errors"
	"fmt"
	"iter"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"moa/nips/nip19"
	"moa/nips/sig"
	"moa/policy/conf"
	"moa/relay"
)

// Config is the configuration file. Its documentation, with every key, its unit and
// its default, is the file moa.toml, which `moa config` prints.
type Config struct {
	Data string `toml:"data" default:"./moa-data"`

	// The relay's own keys have their names and defaults where the relay has its
	// fields.
	relay.Config

	SelfKey     secret `toml:"self.key"`
	SelfKeyFile string `toml:"self.key_file"`

	Alerts  Alerts           `toml:"alerts"`
	Store   Store            `toml:"store"`
	Log     Log              `toml:"log"`
	Process Process          `toml:"process"`
	Policy  []map[string]any `toml:"policy"` // the [[policy]] tables; package builtin reads them
}

// Store is how the events are kept.
type Store struct {
	Sync       bool `toml:"sync" default:"true"`
	CacheMiB   int  `toml:"cache_mib" default:"128" least:"32"`
	HotMiB     int  `toml:"hot_mib" default:"96" least:"0"`
	ReserveMiB int  `toml:"reserve_mib" default:"512" least:"0"`
	ScrubMiB   int  `toml:"scrub_mib" default:"2" least:"0"`
}

// Log is what is logged, and how.
type Log struct {
	Level  string `toml:"level" default:"info"`
	Format string `toml:"format" default:"auto"`
}

// Process is what the process may use.
type Process struct {
	Verifier  string `toml:"verifier"`
	MemoryMiB int    `toml:"memory_mib" least:"0"`
	OpenFiles int    `toml:"open_files" least:"0"`
}

// Default returns the configuration of a relay that was told nothing.
func Default() (c Config) {
	conf.SetDefaults(&c)
	c.Config = relay.DefaultConfig()
	c.Process.Verifier = sig.Auto
	return c
}

// leaves are the keys that have a flag and an environment variable.
func (c *Config) leaves() iter.Seq[leaf] {
	return func(yield func(leaf) bool) {
		for l := range conf.Leaves(c) {
			if l.Path != "policy" && !yield(leaf{l}) {
				return
			}
		}
	}
}

// finish brings what a file may write in several ways into the one that the relay
// knows: public keys are hex, and the data folder has its shortest name, as it has in
// the names of the files in it.
func (c *Config) finish() (bad conf.Faults) {
	if c.Data != "" {
		c.Data = filepath.Clean(c.Data)
	}
	keys := map[string]*string{"info.pubkey": &c.Info.PubKey, "info.self": &c.Info.Self}
	for path, list := range map[string][]string{"admin.administrators": c.Admin.Administrators, "admin.moderators": c.Admin.Moderators} {
		for i := range list {
			keys[fmt.Sprintf("%s[%d]", path, i)] = &list[i]
		}
	}
	for path, key := range keys {
		if *key == "" && !strings.HasSuffix(path, "]") {
			continue
		}
		pk, err := nip19.ParsePubKey(*key)
		switch {
		case err == nil:
			*key = pk.String()
			continue
		case errors.Is(err, nip19.ErrSecret): // which is not repeated
			bad.AddError(path, err)
		default:
			bad.Add(path, "%q is no public key: %v", *key, err)
		}
		*key = ""
	}
	// Of what is no key, one fault is enough.
	c.Admin.Administrators = slices.DeleteFunc(c.Admin.Administrators, func(key string) bool { return key == "" })
	c.Admin.Moderators = slices.DeleteFunc(c.Admin.Moderators, func(key string) bool { return key == "" })
	return bad
}

// Validate returns every fault, those of the policies aside.
func (c *Config) Validate() (bad conf.Faults) {
	if c.Data == "" {
		bad.Add("data", "missing; it names the folder of the store")
	}
	oneOf(&bad, "log.level", c.Log.Level, "debug", "info", "warn", "error")
	oneOf(&bad, "log.format", c.Log.Format, "auto", "text", "json")
	oneOf(&bad, "process.verifier", c.Process.Verifier, append([]string{sig.Auto}, sig.Names()...)...)
	bad = append(bad, conf.Check("store", &c.Store)...)
	bad = append(bad, conf.Check("process", &c.Process)...)
	c.checkKey(&bad)
	c.checkAlerts(&bad)
	bad = append(bad, c.Config.Validate()...)
	slices.SortStableFunc(bad, func(a, b conf.Fault) int { return cmp.Compare(a.Path, b.Path) })
	return bad
}

func oneOf(bad *conf.Faults, path, value string, words ...string) {
	if !slices.Contains(words, value) {
		bad.Add(path, "%q is none of %s", value, strings.Join(words, ", "))
	}
}

// restart are the keys, or tables of keys, that a reload does not change. The
// sample marks them.
var restart = []string{
	"listen", "data", "clients.ping_every",
	"limits.handshakes", "limits.outbox_bytes", "limits.ticket_events", "limits.ticket_bytes",
	"self.key", "self.key_file", "self.publish",
	"alerts.", "store.", "metrics.listen", "log.format", "process.",
}

// NeedRestart are the keys in which now differs from c and which need one.
func (c *Config) NeedRestart(now *Config) (paths []string) {
	news := map[string]any{}
	for l := range now.leaves() {
		news[l.Path] = l.Value.Interface()
	}
	for l := range c.leaves() {
		fixed := slices.ContainsFunc(restart, func(r string) bool {
			return l.Path == r || strings.HasSuffix(r, ".") && strings.HasPrefix(l.Path, r)
		})
		if fixed && !reflect.DeepEqual(l.Value.Interface(), news[l.Path]) {
			paths = append(paths, l.Path)
		}
	}
	return paths
}
