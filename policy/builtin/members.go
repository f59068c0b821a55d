package builtin

import (
	"fmt"
	"slices"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/conf"
)

// memberConfig is `true` for all members, or a list of roles.
type memberConfig struct {
	all   bool
	roles []string
}

// DecodeValue implements conf.Decoder.
func (m *memberConfig) DecodeValue(v any) error {
	*m = memberConfig{}
	switch v := v.(type) {
	case bool:
		m.all = v
		return nil
	case []any:
		for _, one := range v {
			role, ok := one.(string)
			if !ok || role == "" {
				return fmt.Errorf("%v is not the id of a role", one)
			}
			m.roles = append(m.roles, role)
		}
		return nil
	}
	return conf.Fault{Wrong: fmt.Sprintf("%v is neither true nor a list", v), Want: `true, or roles such as ["moderator"]`}
}

func (m *memberConfig) empty() bool { return !m.all && len(m.roles) == 0 }

// members are the members among people; nil: none of them are.
type members struct {
	memberConfig
	of policy.Members
}

func newMembers(env *policy.Env, cfg memberConfig) *members {
	if cfg.empty() {
		return nil
	}
	return &members{cfg, env.Members}
}

func (m *members) has(pk event.PubKey) bool {
	switch {
	case m == nil:
		return false
	case m.all:
		return m.of.Member(pk, "")
	}
	return slices.ContainsFunc(m.roles, func(role string) bool { return m.of.Member(pk, role) })
}

func (m *members) generation() uint64 {
	if m == nil {
		return 0
	}
	return m.of.MembersGeneration()
}

// memberLists are the kinds by which a relay says who its members are.
var memberLists = conf.MustKinds("8000, 8001, 13534")

// newMemberLists shows who the members are to members and administrators only.
func newMemberLists(env *policy.Env, bad *conf.Faults) policy.Policy {
	people := peopleDefaults
	people.Members.all = true
	for _, pk := range env.Administrators {
		people.PubKeys = append(people.PubKeys, conf.PubKey(pk))
	}
	return newReaders(env, readersConfig{peopleConfig: people, Kinds: memberLists, Message: "only members may see who is a member here"}, bad)
}
