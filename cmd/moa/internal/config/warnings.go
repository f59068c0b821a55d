package config

import (
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"moa/policy/conf"
)

// warnings are settings that are allowed and may not be what their writer wants.
// check-config and the start tell them of a good configuration.
func (c *Config) warnings() (found conf.Faults) {
	warn := func(path, text string) { found.Add(path, "%s", text) }
	if c.URL == "" && (len(c.TrustedProxies) > 0 || !localOnly(c.Listen)) {
		warn("url", "url is not set: a client's Host header says which relay this is; set it to the public wss:// URL")
	}
	switch {
	case c.URL == "" || len(c.TrustedProxies) > 0:
	case localOnly(c.Listen):
		warn("trusted_proxies", "url is set, and only this machine can reach the relay: name the proxy that brings the clients, as 127.0.0.1 and ::1, or they all share one address's limits")
	case strings.HasPrefix(c.URL, "wss:"):
		warn("trusted_proxies", "url is wss://, for which there must be a proxy: name its address, or the clients that it brings all share one address's limits")
	}
	if !localOnly(c.Listen) && len(c.TrustedProxies) > 0 && !slices.ContainsFunc(c.TrustedProxies, isElsewhere) {
		warn("listen", "the proxies in trusted_proxies are on this machine, and clients that reach this port come around them, without TLS (their X-Forwarded-For is not believed): 127.0.0.1 keeps them out; in a container, trust the address that the proxy comes from")
	}
	if plain(c.URL) {
		warn("url", "url is ws://: what clients say can be read and changed on its way, and pages of https:// sites cannot connect: put a proxy with TLS before the relay, and set wss://")
	}
	if c.URL == "" && c.Admin.On() {
		warn("admin", "url is not set: signed calls are taken only for the address and port at which they reach the relay, not for a name")
	}
	if path := c.SelfKeyFile; path != "" && !filepath.IsAbs(path) {
		warn("self.key_file", "it is looked for in the folder in which a command is started, and made there: give the whole path, or the relay has another key when it is started elsewhere")
	}
	if c.Members.Enabled && len(c.Policy) > 0 && !c.NamesMembers() {
		warn("members.enabled", NoPolicyNamesMembers)
	}
	for i, table := range c.Policy {
		at := fmt.Sprintf("policy[%d]", i)
		for _, o := range openings(table) {
			warn(conf.Join(at, o.key), o.text)
		}
		examples(at, table, warn)
	}
	if c.Store.ReserveMiB == 0 {
		warn("store.reserve_mib", "no room is kept in reserve: a full disk ends the process")
	}
	if !c.Store.Sync {
		warn("store.sync", "a crash of the machine may lose events that got OK true")
	}
	for l := range c.leaves() {
		if l.list() {
			for i := range l.Value.Len() {
				examples(fmt.Sprintf("%s[%d]", l.Path, i), l.Value.Index(i).Interface(), warn)
			}
			continue
		}
		examples(l.Path, l.Value.Interface(), warn)
	}
	return found
}

// examples warns of what stands in a value as it does in the recipes and in the
// documentation.
func examples(path string, v any, warn func(path, text string)) {
	switch v := v.(type) {
	case string:
		if strings.Contains(v, "example.com") {
			warn(path, "it is still the example's value")
		}
	case []any:
		for i, one := range v {
			examples(fmt.Sprintf("%s[%d]", path, i), one, warn)
		}
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			examples(conf.Join(path, key), v[key], warn)
		}
	}
}

// opening is a key of a [[policy]] table that makes public what the policy is there
// to keep, and what it does.
type opening struct{ key, text string }

func openings(table map[string]any) (found []opening) {
	use, _ := table["use"].(string)
	kept := map[string]string{"private": "messages", "owner-only": "events of these kinds"}[use]
	switch {
	case table["only"] == nil:
	case kept != "":
		found = append(found, opening{"only", use + " is about readers: " + kept + " are kept from these people only, and everybody else reads everybody's"})
	case use == "readers":
		found = append(found, opening{"only", "readers is about readers: everybody else reads everything, and need not authenticate for it"})
	}
	if kept == "" {
		return found
	}
	if table["unless"] != nil {
		found = append(found, opening{"unless", use + " is about readers: these people, once they have authenticated, read everybody's " + kept})
	}
	if table["mode"] == "observe" {
		found = append(found, opening{"mode", "everybody reads everybody's " + kept + ", and that is counted"})
	}
	return found
}

// localOnly reports an address of `listen` that only this machine can reach.
func localOnly(listen string) bool {
	host, _, err := net.SplitHostPort(listen)
	ip, _ := netip.ParseAddr(host)
	return err == nil && (host == "localhost" || ip.IsLoopback())
}

// isElsewhere reports proxies on other machines.
func isElsewhere(p netip.Prefix) bool { return !p.Addr().IsLoopback() }

// plain reports a URL over which what is said is not encrypted on its way to other
// machines; to an onion service it is.
func plain(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "ws" {
		return false
	}
	host := strings.ToLower(u.Hostname())
	ip, _ := netip.ParseAddr(host)
	return host != "localhost" && !ip.IsLoopback() && !strings.HasSuffix(host, ".onion")
}

// unknownEnv are the MOA_ variables of the environment that are no key's, each
// with the key that its name is near to. One that is near to none may be
// somebody else's: container runtimes make such names of a service called moa.
func unknownEnv() (found []string) {
	known := map[string]bool{"MOA_CONFIG": true, AdminKeyEnv: true}
	defaults := Default()
	for l := range defaults.leaves() {
		known[l.env()] = true
	}
	for _, one := range os.Environ() {
		name, _, _ := strings.Cut(one, "=")
		if !strings.HasPrefix(name, "MOA_") || known[name] {
			continue
		}
		found = append(found, fmt.Sprintf("%s: no setting has this variable%s", name, conf.DidYouMean(name, maps.Keys(known))))
	}
	slices.Sort(found)
	return found
}

// Warnings are what is odd in the configuration and in the environment, each with
// where it stands.
func (s *Source) Warnings(c *Config) (lines []string) {
	for _, f := range c.warnings() {
		lines = append(lines, s.placed(f).Error())
	}
	for _, o := range s.override {
		if o.leaf.Value.Type() == reflect.TypeFor[secret]() && o.from != o.leaf.env() {
			lines = append(lines, fmt.Sprintf("%s: everybody on this machine can read a command line: give it as %s", o.from, o.leaf.env()))
		}
	}
	return append(lines, unknownEnv()...)
}
