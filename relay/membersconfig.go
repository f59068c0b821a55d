package relay

import (
	"time"

	"moa/policy/conf"
)

// Members is about the people who belong to the relay (NIP-43): how they come and go by
// events, and what the relay says of them. The zero Members takes and says nothing.
type Members struct {
	Enabled     bool          `toml:"enabled"`
	Public      bool          `toml:"public" default:"true"`                 // everybody may see who the members are
	PublishMost int           `toml:"publish_most" default:"2000" least:"0"` // of more members no list is published, but who comes and goes
	Invites     int           `toml:"invites" least:"0"`                     // that one member may have open; 0: members invite nobody
	InviteFor   time.Duration `toml:"invite_for" default:"168h"`             // how long an invite of a member holds
	JoinsPerIP  int           `toml:"joins_per_ip" default:"20" least:"0"`   // requests an hour from one address, IPv6 by /64, loopback free; 0: no bound
}

const (
	mostPublished = 20_000 // of one list; an event of so many tags has 1.6 MB
	minInviteFor  = time.Minute
)

// check notes what is wrong in the table members.
func (m *Members) check(bad *conf.Faults) {
	*bad = append(*bad, conf.Check("members", m)...)
	if m.PublishMost > mostPublished {
		bad.Add("members.publish_most", "%d is more than %d", m.PublishMost, mostPublished)
	}
	if m.InviteFor < minInviteFor {
		bad.Add("members.invite_for", "%v is less than %v", m.InviteFor, minInviteFor)
	}
}
