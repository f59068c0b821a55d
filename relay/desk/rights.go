package desk

import "slices"

// Rank is what somebody who decides through a door with keys may decide. Somebody with
// access to the machine may decide everything.
type Rank uint8

const (
	Nobody Rank = iota
	Moderator
	Administrator
)

// Right is what a decision is about.
type Right uint8

const (
	Authors   Right = iota // ban authors, and lift bans
	Events                 // hide, remove and allow events, and see what is reported
	Erasing                // remove all that an author has written
	Addresses              // block addresses
	Kinds                  // allow and refuse kinds
	Settings               // name, description and icon of the relay
	People                 // let people in as members, and remove them
	Roles                  // make roles, and give them to members
	Log                    // read the audit log, which has addresses and invite codes
)

// moderators are what moderators may decide; administrators may decide everything.
// Moderators do not erase, which cannot be taken back; and addresses are not shown to
// them.
var moderators = []Right{Authors, Events}

// May reports whether somebody of this rank may decide that.
func (r Rank) May(right Right) bool {
	return r == Administrator || r == Moderator && slices.Contains(moderators, right)
}
