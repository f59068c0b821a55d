package policy

import "moa/nips/event"

// Members are the people who belong to the relay, and their roles, as invites and
// operators have made them. They are asked about every event, so they take no lock and
// make no garbage.
type Members interface {
	Member(pk event.PubKey, role string) bool // role "": whatever the roles
	MembersGeneration() uint64                // grows with each change of who is one, and of who has which role
}

type noMembers struct{}

func (noMembers) Member(event.PubKey, string) bool { return false }
func (noMembers) MembersGeneration() uint64        { return 0 }
