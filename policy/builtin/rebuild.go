package builtin

import (
	"reflect"

	"moa/policy"
	"moa/policy/conf"
)

// keeper is a policy that remembers something, though it is no policy.Runner.
type keeper interface{ remembers() }

// Rebuild is Build after a change of the config: before is the chain in force,
// which was built of the tables were. A policy whose own keys are as they were
// goes on, with what it has read, counted and started, whatever its place, name
// and mode are now; so do the people of only and unless. The others are new.
func Rebuild(env policy.Env, report policy.Report, tables []map[string]any, before *policy.Chain, were []map[string]any) (*policy.Chain, conf.Faults) {
	links, faults := compose(env, tables)
	if len(faults) > 0 {
		return nil, faults
	}
	old := before.Links()
	old = old[max(0, len(old)-len(were)):]
	taken := make([]bool, len(old))
	fresh := links[len(links)-len(tables):]
	for i := range fresh {
		for k := range old {
			if !taken[k] && sameTable(tables[i], were[k]) {
				taken[k] = true
				takeOver(&fresh[i], &old[k], tables[i], were[k])
				break
			}
		}
	}
	return policy.NewChain(report, links...), nil
}

// sameTable reports that the tables differ at most in the keys that every
// policy has.
func sameTable(a, b map[string]any) bool {
	_, ownA := parts(a)
	_, ownB := parts(b)
	return a["use"] == b["use"] && reflect.DeepEqual(ownA, ownB)
}

// takeOver lets what lasts of the old link go on in the new one. What only
// decides is new: it may have read a file that has changed.
func takeOver(now, old *policy.Named, table, was map[string]any) {
	_, runs := old.Policy.(policy.Runner)
	_, keeps := old.Policy.(keeper)
	if runs || keeps {
		now.Policy = old.Policy
	}
	if reflect.DeepEqual(table["only"], was["only"]) {
		now.Only = old.Only
	}
	if reflect.DeepEqual(table["unless"], was["unless"]) {
		now.Unless = old.Unless
	}
}
