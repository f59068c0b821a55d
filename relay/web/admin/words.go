package admin

import (
	"encoding/json"
	"fmt"
	"html/template"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/policy/moderation"
)

// helpers write values for a person.
var helpers = template.FuncMap{
	"npub":    nip19.Npub,
	"short":   short,
	"known":   func(pk event.PubKey) bool { return pk != event.PubKey{} },
	"time":    moderation.When,
	"at":      func(t time.Time) string { return moderation.When(t.Unix()) },
	"long":    long,
	"bytes":   byteSize,
	"rate":    func(f float64) string { return fmt.Sprintf("%.1f", f) },
	"who":     who,
	"value":   value,
	"what":    what,
	"address": address,
	"root":    func() string { return Root },
}

// short is a key of which the ends can be told apart.
func short(text string) string {
	if len(text) <= 24 {
		return text
	}
	return text[:12] + "…" + text[len(text)-8:]
}

// long is how long something has lasted.
func long(d time.Duration) string {
	many := func(n int, unit string) string {
		if n == 1 {
			return "1 " + unit
		}
		return fmt.Sprintf("%d %ss", n, unit)
	}
	switch {
	case d >= 48*time.Hour:
		return many(int(d.Hours()/24), "day")
	case d >= 2*time.Hour:
		return many(int(d.Hours()), "hour")
	case d >= 2*time.Minute:
		return many(int(d.Minutes()), "minute")
	}
	return many(int(d.Seconds()), "second")
}

func byteSize(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// who is the key or the person of a row of the log.
func who(hex string) string {
	if hex == "" {
		return "the shell"
	}
	if pk, err := event.ParsePubKey(hex); err == nil {
		return nip19.Npub(pk)
	}
	return hex
}

func value(j json.RawMessage) string {
	if len(j) == 0 || string(j) == "null" {
		return "nothing"
	}
	return string(j)
}

// what is what somebody is reported for, by NIP-56's words.
func what(counts map[string]int) string {
	var parts []string
	for _, word := range slices.Sorted(maps.Keys(counts)) {
		parts = append(parts, fmt.Sprintf("%s %d", word, counts[word]))
	}
	return strings.Join(parts, ", ")
}

func address(p netip.Prefix) string {
	if p.IsSingleIP() {
		return p.Addr().String()
	}
	return p.String()
}
