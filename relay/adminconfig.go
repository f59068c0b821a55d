package relay

import (
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/policy/conf"
)

// Admin names those who may manage the relay by signed calls (NIP-86), as 64 hex
// characters. The zero Admin names nobody, and there are no such calls.
type Admin struct {
	Administrators []string `toml:"administrators"`
	Moderators     []string `toml:"moderators"`
}

// On reports that there is anybody.
func (a *Admin) On() bool { return len(a.Administrators)+len(a.Moderators) > 0 }

// check notes what is wrong in the table admin.
func (a *Admin) check(bad *conf.Faults) {
	for path, list := range map[string][]string{"admin.administrators": a.Administrators, "admin.moderators": a.Moderators} {
		for i, key := range list {
			if _, err := event.ParsePubKey(key); err != nil {
				bad.AddError(fmt.Sprintf("%s[%d]", path, i), err)
			}
		}
	}
	for i, key := range a.Moderators {
		if slices.Contains(a.Administrators, key) {
			bad.Add(fmt.Sprintf("admin.moderators[%d]", i), "%s is an administrator, who may do all that moderators may", key)
		}
	}
}
