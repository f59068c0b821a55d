package config

// NoPolicyNamesMembers says why those who became members may do no more than before.
const NoPolicyNamesMembers = "no policy names the members, so they may do no more than others: write members = true where people are named, as files or pubkeys are"

// NamesMembers reports whether any policy asks who is a member, or has a role.
func (c *Config) NamesMembers() bool {
	for _, table := range c.Policy {
		if namesMembers(table) {
			return true
		}
	}
	return false
}

func namesMembers(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if key == "members" && value != false || namesMembers(value) {
				return true
			}
		}
	case []any:
		for _, one := range v {
			if namesMembers(one) {
				return true
			}
		}
	}
	return false
}
