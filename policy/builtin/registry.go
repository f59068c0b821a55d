// Package builtin holds the policies that a config file can name, one a file,
// and builds a chain of them. It starts no goroutine: policy.Chain.Run does.
package builtin

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"moa/policy"
	"moa/policy/conf"
)

// registry is every policy by the name that `use` gives it in a [[policy]]
// table.
var registry = map[string]Factory{
	"allow":       factory("only certain people write", allowDefaults, newAllow),
	"approval":    factory("a person approves newcomers before others see what they write", approvalDefaults, newApproval),
	"auth":        factory("readers or writers must authenticate", authDefaults, newAuth),
	"content":     factory("what the text of events may be", contentDefaults, newContent),
	"deny":        factory("certain people do not write", denyDefaults, newDeny),
	"expr":        factory("an expression decides", exprDefaults, newExpr),
	"geo":         factory("events from an area of the earth", geoDefaults, newGeo),
	"languages":   factory("texts in certain languages", languagesDefaults, newLanguages),
	"kinds":       factory("only some kinds of events", kindsConfig{}, newKinds),
	"limits":      factory("how large an event may be", limitsConfig{}, newLimits),
	"owner-only":  factory("some kinds are for their author alone", ownerOnlyDefaults, newOwnerOnly),
	"plugin":      factory("a program of yours decides (strfry's protocol)", pluginDefaults, newPlugin),
	"moderation":  factory("what trusted people report comes before the operator", moderationDefaults, newModeration),
	"pow":         factory("proof of work", powDefaults, newPoW),
	"private":     factory("messages are for the people involved", privateDefaults, newPrivate),
	"rate":        factory("so many events or filters in a time", rateDefaults, newRate),
	"readers":     factory("only certain people read", readersConfig{peopleConfig: peopleDefaults}, newReaders),
	"relay-kinds": factory("only the relay's own key says who its members are", relayKindsDefaults, newRelayKinds),
	"scopes":      factory("a relay for each cell of the earth, by host name or path", scopesDefaults, newScopes),
	"shape":       factory("kinds must have the shape that their NIP gives them", shapeDefaults, newShape),
	"spam":        factory("suspicious authors must show work", spamDefaults, newSpam),
	"tags":        factory("what tags events must and may have", tagsConfig{}, newTags),
	"times":       factory("how far away created_at may be", timesDefaults, newTimes),
}

// Factory makes one kind of policy.
type Factory struct {
	Summary string // one line
	Sample  string // its keys with their defaults, documented, as commented TOML
	build   func(env *policy.Env, table map[string]any) (policy.Policy, conf.Faults)
}

// factory wraps a policy's constructor, which is called only with a config
// that was read without a fault. It must have no effect but reading files.
func factory[C any](summary string, defaults C, build func(env *policy.Env, cfg C, bad *conf.Faults) policy.Policy) Factory {
	return Factory{
		Summary: summary,
		Sample:  conf.Sample(defaults),
		build: func(env *policy.Env, table map[string]any) (policy.Policy, conf.Faults) {
			cfg := defaults
			if found := conf.Decode(table, &cfg); len(found) > 0 {
				return nil, found
			}
			var bad conf.Faults
			p := build(env, cfg, &bad)
			return p, bad
		},
	}
}

// Names lists the registered policies, sorted.
func Names() []string { return slices.Sorted(maps.Keys(registry)) }

// Lookup returns the factory of that name.
func Lookup(name string) (Factory, bool) {
	f, ok := registry[name]
	return f, ok
}

// Build makes the chain of a config's [[policy]] tables, in their order, as
// TOML decodes them into maps. It returns all faults, with paths such as
// `policy[2].prefixes[0]`, and a nil chain if there is any. Those of Defaults
// that no table uses come first.
func Build(env policy.Env, report policy.Report, tables []map[string]any) (*policy.Chain, conf.Faults) {
	links, faults := compose(env, tables)
	if len(faults) > 0 {
		return nil, faults
	}
	return policy.NewChain(report, links...), nil
}

// Defaults returns the policies that are in every chain unless its config uses
// them otherwise: messages are for the people involved; no event is from the
// future, where it would stand on top of every feed until then; only the relay says
// who its members are, and to them alone if they are hidden; and the bans and hidden events of the operator hold.
func Defaults(env policy.Env) []policy.Named {
	env = env.Filled()
	return defaults(&env, new(conf.Faults))
}

func defaults(env *policy.Env, bad *conf.Faults) []policy.Named {
	all := []policy.Named{
		{Name: "private", Policy: newPrivate(env, privateDefaults, bad)},
		{Name: "times", Policy: newTimes(env, timesDefaults, bad)},
		{Name: "relay-kinds", Policy: newRelayKinds(env, relayKindsDefaults, bad)},
	}
	if env.Decides() {
		all = append(all, policy.Named{Name: "moderation", Policy: newModeration(env, moderationDefaults, bad)})
	}
	if env.HideMembers {
		all = append(all, policy.Named{Name: "member-lists", Policy: newMemberLists(env, bad)})
	}
	return all
}

// compose makes the links: those of the tables last, in their order.
func compose(env policy.Env, tables []map[string]any) ([]policy.Named, conf.Faults) {
	env = env.Filled()
	env.Log = ListLog(env.Log)
	var found conf.Faults
	links := slices.DeleteFunc(defaults(&env, &found), func(n policy.Named) bool {
		return slices.ContainsFunc(tables, func(t map[string]any) bool { return t["use"] == n.Name })
	})
	all := found
	taken := map[string]bool{}
	for i, table := range tables {
		n, bad := link(&env, table)
		if n.Name != "" {
			for base, k := n.Name, 2; taken[n.Name]; k++ {
				if table["name"] != nil {
					bad.Add("name", "%q is the name of an earlier policy", base)
					break
				}
				n.Name = fmt.Sprintf("%s-%d", base, k)
			}
			taken[n.Name] = true
		}
		for _, f := range bad {
			all.AddError(fmt.Sprintf("policy[%d]", i), f)
		}
		links = append(links, n)
	}
	return links, all.OfFilesOnce()
}

// common are the keys that every [[policy]] table has.
type common struct {
	Use    string       `toml:"use" comment:"Which policy it is."`
	Name   string       `toml:"name" comment:"Its name in logs and metrics. Empty: as in use."`
	Mode   string       `toml:"mode" comment:"\"enforce\", or \"observe\": what it would refuse is counted, and accepted."`
	Only   peopleConfig `toml:"only" comment:"It is asked only about these people, as authors of events and as readers that have\nauthenticated (NIP-42)." example:"{ pubkeys = [\"<pubkey>\"] }"`
	Unless peopleConfig `toml:"unless" comment:"It is not asked about these people." example:"{ pubkeys = [\"<pubkey>\"] }"`
}

var commonDefaults = common{Mode: "enforce", Only: peopleDefaults, Unless: peopleDefaults}

// parts separates the keys that every table has from the policy's own.
func parts(table map[string]any) (shared, own map[string]any) {
	own = maps.Clone(table)
	shared = map[string]any{}
	for _, key := range []string{"use", "name", "mode", "only", "unless"} {
		if v, ok := own[key]; ok {
			shared[key] = v
			delete(own, key)
		}
	}
	return shared, own
}

func link(env *policy.Env, table map[string]any) (policy.Named, conf.Faults) {
	shared, own := parts(table)
	head := commonDefaults
	bad := conf.Decode(shared, &head)
	if table["use"] == nil {
		bad.Add("use", "missing; it names the policy")
	}
	mode, err := policy.ParseMode(head.Mode)
	if err != nil {
		bad.AddError("mode", err)
	}
	n := policy.Named{Name: head.Name, Mode: mode}
	if p := optionalPeople(env, head.Only, "only", &bad); p != nil {
		n.Only = p
	}
	if p := optionalPeople(env, head.Unless, "unless", &bad); p != nil {
		n.Unless = p
	}
	if n.Name == "" {
		n.Name = head.Use
	}
	f, ok := registry[head.Use]
	if !ok {
		if head.Use != "" {
			bad.Add("use", "there is no policy %q; there are %s", head.Use, strings.Join(Names(), ", "))
		}
		return n, bad
	}
	p, found := f.build(env, own)
	n.Policy = p
	return n, append(bad, found...)
}

// Document returns the policy's table, with what every key means. The keys are
// comments with their defaults; "#" taken off, a key is set.
func Document(name string) (string, bool) {
	f, ok := registry[name]
	if !ok {
		return "", false
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# %s: %s.\n[[policy]]\nuse = %q\n", name, f.Summary, name)
	_, shared, _ := strings.Cut(conf.Sample(commonDefaults), "# use = \"\"\n")
	for line := range strings.Lines(f.Sample + "\n# # These keys every policy has.\n" + shared) {
		if doc, ok := strings.CutPrefix(line, "# # "); ok {
			line = "# " + doc
		} else if key, ok := strings.CutPrefix(line, "# "); ok {
			line = "#" + key
		}
		b.WriteString(line)
	}
	return b.String(), true
}

// Samples returns the documentation of every policy as commented TOML.
func Samples() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Every [[policy]] table may have these keys, besides its own:\n#\n%s\n", conf.Sample(commonDefaults))
	for _, name := range Names() {
		f := registry[name]
		fmt.Fprintf(&b, "# %s: %s.\n#\n# [[policy]]\n# use = %q\n%s\n", name, f.Summary, name, f.Sample)
	}
	return b.String()
}
