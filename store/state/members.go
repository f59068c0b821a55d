package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"unique"

	"moa/nips/event"
)

// Member is what policies may ask about somebody who belongs to the relay.
type Member struct {
	roles unique.Handle[string] // their ids, sorted, a line each
}

// newMember is a member with these roles. The same roles are one in memory.
func newMember(roles []string) Member {
	roles = slices.Clone(roles)
	slices.Sort(roles)
	return Member{unique.Make(strings.Join(slices.Compact(roles), "\n"))}
}

// Has reports whether the member has a role. The zero Member has none.
func (m Member) Has(role string) bool {
	if m == (Member{}) {
		return false
	}
	for one := range strings.SplitSeq(m.roles.Value(), "\n") {
		if one == role {
			return role != ""
		}
	}
	return false
}

// Roles are the ids of the member's roles, sorted.
func (m Member) Roles() []string {
	if m == (Member{}) || m.roles.Value() == "" {
		return nil
	}
	return strings.Split(m.roles.Value(), "\n")
}

// hides: what members have written is not hidden for that.
func (Member) hides() int64 { return 0 }

// Membership is all that is known of a member.
type Membership struct {
	Nth     int64        `json:"nth"` // in the order in which they came
	PubKey  event.PubKey `json:"pubkey"`
	Since   int64        `json:"since"`            // Unix seconds
	Inviter event.PubKey `json:"inviter,omitzero"` // zero: somebody with access to the machine, or nobody
	Invite  string       `json:"invite,omitempty"` // the code they came with
	Roles   []string     `json:"roles,omitempty"`  // sorted ids
	Note    string       `json:"note,omitempty"`   // of the operator
}

// joined is a Membership as the audit log has it: a note must be able to go.
type joined struct {
	Inviter event.PubKey `json:"inviter,omitzero"`
	Invite  string       `json:"invite,omitempty"`
	Roles   []string     `json:"roles,omitempty"`
}

// ErrMember is returned for somebody who is a member already, and ErrNoMember for
// somebody who is none.
var (
	ErrMember   = fmt.Errorf("%w: this is a member already", ErrRequest)
	ErrNoMember = fmt.Errorf("%w: this is no member", ErrRequest)
)

const maxNote = 4096 // bytes

// Member returns what policies ask about a member; ok is false for everybody else. It
// takes no lock.
func (s *Store) Member(pk event.PubKey) (m Member, ok bool) { return s.memory.members.get(pk) }

// MemberCount is how many members there are.
func (s *Store) MemberCount() int { return int(s.memory.count.Load()) }

// MembersGeneration grows with each change of who is a member and of who has which role.
func (s *Store) MembersGeneration() uint64 { return s.memory.joins.Load() }

// AllMembers are all members.
func (s *Store) AllMembers() map[event.PubKey]Member { return s.memory.members.all() }

// AddMember makes somebody a member. Since is that of the change.
func (s *Store) AddMember(ctx context.Context, by Actor, m Membership) error {
	e, err := s.adding(ctx, by, m)
	if err != nil {
		return err
	}
	return s.make(ctx, e)
}

// AddMembers is AddMember for many: all of them or, with an error, none.
// Those who are members already stay as they are. It returns how many were added.
func (s *Store) AddMembers(ctx context.Context, by Actor, list []Membership) (added int, err error) {
	all := make([]entry, len(list))
	for i, m := range list {
		e, err := s.adding(ctx, by, m)
		if err != nil {
			return 0, err
		}
		write := e.write
		e.write = func(tx *sql.Tx, at int64) (any, any, error) {
			if _, is, err := membership(ctx, tx, m.PubKey); err != nil || is { // perhaps since a moment
				return nil, nil, err
			}
			return write(tx, at)
		}
		e.remember = func(int64) {
			s.remembers(m.PubKey, m.Roles)
			added++
		}
		all[i] = e
	}
	err = s.make(ctx, all...)
	return added, err
}

func (s *Store) adding(ctx context.Context, by Actor, m Membership) (entry, error) {
	if len(m.Note) > maxNote {
		return entry{}, fmt.Errorf("%w: the note has %d bytes, more than %d", ErrRequest, len(m.Note), maxNote)
	}
	return entry{
		by: by, verb: "add member", subject: m.PubKey.String(), jobs: []string{PublishJoin, PublishMembers},
		write:    func(tx *sql.Tx, at int64) (any, any, error) { return s.join(ctx, tx, m, at) },
		remember: func(int64) { s.remembers(m.PubKey, m.Roles) },
	}, nil
}

// join writes a member.
func (s *Store) join(ctx context.Context, tx *sql.Tx, m Membership, at int64) (was, became any, err error) {
	if _, is := s.Member(m.PubKey); is {
		return nil, nil, ErrMember
	}
	if err := s.rolesExist(m.Roles); err != nil {
		return nil, nil, err
	}
	_, err = tx.ExecContext(ctx, "INSERT INTO member (pubkey, since, inviter, invite, note) VALUES (?, ?, ?, ?, ?)",
		m.PubKey.String(), at, keyOrNull(m.Inviter), sql.NullString{String: m.Invite, Valid: m.Invite != ""}, m.Note)
	for _, role := range m.Roles {
		if err == nil {
			_, err = tx.ExecContext(ctx, "INSERT OR IGNORE INTO member_role (pubkey, role) VALUES (?, ?)", m.PubKey.String(), role)
		}
	}
	return nil, joined{m.Inviter, m.Invite, newMember(m.Roles).Roles()}, err
}

// remembers takes a member into memory.
func (s *Store) remembers(pk event.PubKey, roles []string) {
	s.memory.members.change(pk, func(Member) (Member, bool) { return newMember(roles), true })
	s.memory.count.Add(1)
	s.memory.joins.Add(1)
}

// RemoveMember ends a membership, and the invites that the member has made. To remove
// somebody who is no member changes nothing.
func (s *Store) RemoveMember(ctx context.Context, by Actor, pk event.PubKey, why string) error {
	return s.part(ctx, by, "remove member", pk, why)
}

// Leave ends the membership of the one that makes the change.
func (s *Store) Leave(ctx context.Context, by Actor) error {
	return s.part(ctx, by, "leave", by.Key, "")
}

func (s *Store) part(ctx context.Context, by Actor, verb string, pk event.PubKey, why string) error {
	return s.make(ctx, entry{
		by: by, verb: verb, subject: pk.String(), why: why, jobs: []string{PublishLeave, PublishMembers},
		write: func(tx *sql.Tx, _ int64) (any, any, error) {
			m, found, err := membership(ctx, tx, pk)
			if err != nil || !found {
				return nil, nil, err
			}
			if _, err = tx.ExecContext(ctx, "DELETE FROM member WHERE pubkey = ?", pk.String()); err == nil {
				_, err = tx.ExecContext(ctx, "DELETE FROM invite WHERE by = ?", pk.String())
			}
			return joined{m.Inviter, m.Invite, m.Roles}, nil, err
		},
		remember: func(int64) {
			s.memory.members.change(pk, func(Member) (Member, bool) { return Member{}, false })
			s.memory.count.Add(-1)
			s.memory.joins.Add(1)
		},
	})
}

// NoteMember writes down what an operator wants to know of a member; "" forgets it. The
// audit log says only that there was a note.
func (s *Store) NoteMember(ctx context.Context, by Actor, pk event.PubKey, note string) error {
	if len(note) > maxNote {
		return fmt.Errorf("%w: the note has %d bytes, more than %d", ErrRequest, len(note), maxNote)
	}
	return s.make(ctx, entry{
		by: by, verb: "note member", subject: pk.String(),
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			m, found, err := membership(ctx, tx, pk)
			switch {
			case err != nil:
				return nil, nil, err
			case !found:
				return nil, nil, ErrNoMember
			case m.Note == note:
				return nil, nil, nil
			}
			if m.Note != "" {
				was = "a note"
			}
			if note != "" {
				became = "another note"
			}
			_, err = tx.ExecContext(ctx, "UPDATE member SET note = ? WHERE pubkey = ?", note, pk.String())
			return was, became, err
		},
		remember: func(int64) {},
	})
}

// MemberQuery says which members Members returns.
type MemberQuery struct {
	Before  int64         // the Nth of the last one of the page before; 0: from the newest on
	Limit   int           // how many at most
	Role    string        // only those with the role; "": all
	Inviter *event.PubKey // only those whom this one has invited; zero: those whom nobody has; nil: all
}

// Members returns a page of members, the newest first.
func (s *Store) Members(ctx context.Context, q MemberQuery) ([]Membership, error) {
	where, args := " WHERE nth < ?", []any{olderThan(q.Before)}
	if q.Role != "" {
		where += " AND pubkey IN (SELECT pubkey FROM member_role WHERE role = ?)"
		args = append(args, q.Role)
	}
	if q.Inviter != nil {
		where += " AND inviter IS ?"
		args = append(args, keyOrNull(*q.Inviter))
	}
	rows, err := s.db.QueryContext(ctx, memberColumns+where+" ORDER BY nth DESC LIMIT ?", append(args, q.Limit)...)
	return collect(rows, err, readMembership)
}

// Noted are the members of whom there is a note.
func (s *Store) Noted(ctx context.Context) ([]event.PubKey, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT pubkey FROM member WHERE note != ''")
	return collect(rows, err, func(scan func(...any) error) (pk event.PubKey, err error) {
		var hex string
		if err = scan(&hex); err == nil {
			pk, err = event.ParsePubKey(hex)
		}
		return pk, err
	})
}

// Membership returns what is known of a member.
func (s *Store) Membership(ctx context.Context, pk event.PubKey) (Membership, bool, error) {
	return membership(ctx, s.db, pk)
}

// querier is a database, or a transaction.
type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

const memberColumns = `SELECT nth, pubkey, since, COALESCE(inviter, ''), COALESCE(invite, ''), note,
	COALESCE((SELECT group_concat(role, char(10)) FROM member_role WHERE member_role.pubkey = member.pubkey), '') FROM member`

func readMembership(scan func(...any) error) (m Membership, err error) {
	var pubkey, inviter, roles string
	if err = scan(&m.Nth, &pubkey, &m.Since, &inviter, &m.Invite, &m.Note, &roles); err != nil {
		return m, err
	}
	if roles != "" {
		m.Roles = newMember(strings.Split(roles, "\n")).Roles()
	}
	if inviter != "" {
		m.Inviter, err = event.ParsePubKey(inviter)
	}
	if err == nil {
		m.PubKey, err = event.ParsePubKey(pubkey)
	}
	return m, err
}

func membership(ctx context.Context, db querier, pk event.PubKey) (Membership, bool, error) {
	m, err := readMembership(db.QueryRowContext(ctx, memberColumns+" WHERE pubkey = ?", pk.String()).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return m, false, nil
	}
	return m, err == nil, err
}

// olderThan is what the Nth of a page's rows is less than.
func olderThan(before int64) int64 {
	if before == 0 {
		return math.MaxInt64
	}
	return before
}

// keyOrNull is how a key stands in a column that may have none.
func keyOrNull(pk event.PubKey) any { return Actor{Key: pk}.key() }

func (s *Store) loadMembers(ctx context.Context) (map[event.PubKey]Member, error) {
	all := map[event.PubKey]Member{}
	rows, err := s.db.QueryContext(ctx, memberColumns)
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		m, err := readMembership(scan)
		all[m.PubKey] = newMember(m.Roles)
		return none, err
	})
	return all, err
}
