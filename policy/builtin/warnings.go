package builtin

import (
	"fmt"
	"strings"

	"moa/policy"
)

// Warnings are what is allowed in the policies of a chain and most likely not meant,
// as far as that is known before they have run.
func Warnings(chain *policy.Chain) (found []string) {
	for _, n := range chain.Links() {
		if n.Mode == policy.Observe {
			continue
		}
		var list *people
		does := ""
		switch p := n.Policy.(type) {
		case *allow:
			list, does = p.people, "write"
		case *readers:
			list, does = p.people, "read"
		}
		if list != nil && list.members == nil && !list.incomplete() && len(*list.set.Load()) == 0 {
			found = append(found, fmt.Sprintf("policy %s: nobody is in %s, so it lets nobody %s", n.Name, list.names(), does))
		}
	}
	return found
}

// names are where the people are listed, for an operator.
func (p *people) names() string {
	var names []string
	for _, s := range p.sources {
		if s.name != "" { // those of the table itself have none
			names = append(names, s.name)
		}
	}
	return strings.Join(names, ", ")
}
