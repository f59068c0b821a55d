package state

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"

	"moa/nips/event"
)

// Invite is a code by which people become members.
type Invite struct {
	Nth   int64        `json:"nth"` // in the order in which they were made
	Code  string       `json:"code"`
	At    int64        `json:"at"`              // Unix seconds
	By    event.PubKey `json:"by,omitzero"`     // zero: somebody with access to the machine
	Until int64        `json:"until,omitempty"` // Unix seconds; 0: for good
	Most  int          `json:"most,omitempty"`  // so many people may use it; 0: any number
	Used  int          `json:"used,omitempty"`
	Roles []string     `json:"roles,omitempty"` // what they get, ids
}

// Open reports that it can be used at that time.
func (i *Invite) Open(now int64) bool {
	return (i.Until == 0 || i.Until > now) && (i.Most == 0 || i.Used < i.Most)
}

// InviteUse is one use of an invite.
type InviteUse struct {
	PubKey event.PubKey `json:"pubkey"`
	At     int64        `json:"at"` // Unix seconds
}

// What is wrong with a code. The texts are for clients.
var (
	ErrNoInvite    = fmt.Errorf("%w: this invite code is not valid", ErrRequest)
	ErrInviteSpent = fmt.Errorf("%w: this invite code has been used up or has expired", ErrRequest)
	ErrInvites     = fmt.Errorf("%w: too many invites are open already", ErrRequest)
)

const maxCode = 128 // bytes

// invited is an Invite as the audit log has it.
type invited struct {
	Until int64    `json:"until,omitempty"`
	Most  int      `json:"most,omitempty"`
	Roles []string `json:"roles,omitempty"`
}

// CreateInvite makes an invite. open bounds those of the same maker that can be used;
// 0: nothing does.
func (s *Store) CreateInvite(ctx context.Context, by Actor, i Invite, open int) error {
	switch {
	case i.Code == "" || len(i.Code) > maxCode || unprintable(i.Code):
		return fmt.Errorf("%w: an invite code has 1 to %d bytes, without spaces", ErrRequest, maxCode)
	case i.Most < 0 || i.Until < 0:
		return fmt.Errorf("%w: an invite is for 0 people or more, and ends after 1970", ErrRequest)
	}
	i.Roles = newMember(i.Roles).Roles()
	roles, err := json.Marshal(append([]string{}, i.Roles...))
	if err != nil {
		return err
	}
	return s.make(ctx, entry{
		by: by, verb: "create invite", subject: i.Code,
		write: func(tx *sql.Tx, at int64) (any, any, error) {
			if err := s.rolesExist(i.Roles); err != nil {
				return nil, nil, err
			}
			n, err := openInvites(ctx, tx, by, at)
			if err != nil {
				return nil, nil, err
			}
			if open > 0 && n >= open {
				return nil, nil, ErrInvites
			}
			if _, found, err := inviteOf(ctx, tx, i.Code); err != nil {
				return nil, nil, err
			} else if found {
				return nil, nil, fmt.Errorf("%w: there is an invite with this code already", ErrRequest)
			}
			_, err = tx.ExecContext(ctx, "INSERT INTO invite (code, at, by, until, most, used, roles) VALUES (?, ?, ?, ?, ?, 0, ?)",
				i.Code, at, by.key(), i.Until, i.Most, string(roles))
			return nil, invited{i.Until, i.Most, i.Roles}, err
		},
		remember: func(int64) {},
	})
}

// inviteIsOpen is Invite.Open at the time that is its argument.
const inviteIsOpen = "(until = 0 OR until > ?) AND (most = 0 OR used < most)"

func openInvites(ctx context.Context, tx *sql.Tx, by Actor, now int64) (n int, err error) {
	err = tx.QueryRowContext(ctx, "SELECT count(*) FROM invite WHERE by IS ? AND "+inviteIsOpen, by.key(), now).Scan(&n)
	return n, err
}

// CancelInvite deletes an invite that is there, and who has used it. Those who have stay
// members.
func (s *Store) CancelInvite(ctx context.Context, by Actor, code string) error {
	return s.make(ctx, entry{
		by: by, verb: "cancel invite", subject: code,
		write: func(tx *sql.Tx, _ int64) (any, any, error) {
			i, found, err := inviteOf(ctx, tx, code)
			switch {
			case err != nil:
				return nil, nil, err
			case !found:
				return nil, nil, fmt.Errorf("%w: there is no invite %.64q", ErrRequest, code)
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM invite WHERE code = ?", code)
			return invited{i.Until, i.Most, i.Roles}, nil, err
		},
		remember: func(int64) {},
	})
}

// Claim makes the one that makes the change a member by a code. admit says whether that
// may be, while nothing else changes; if it may not, the code stays as it was.
func (s *Store) Claim(ctx context.Context, by Actor, code string, admit func(Invite) error) error {
	m := Membership{PubKey: by.Key, Invite: code}
	return s.make(ctx, entry{
		by: by, verb: "join", subject: by.Key.String(), jobs: []string{PublishJoin, PublishMembers},
		write: func(tx *sql.Tx, at int64) (any, any, error) {
			if _, is := s.Member(by.Key); is {
				return nil, nil, ErrMember
			}
			i, found, err := inviteOf(ctx, tx, code)
			switch {
			case err != nil:
				return nil, nil, err
			case !found:
				return nil, nil, ErrNoInvite
			case !i.Open(at):
				return nil, nil, ErrInviteSpent
			}
			if err := admit(i); err != nil {
				return nil, nil, err
			}
			m.Inviter, m.Roles = i.By, s.existing(i.Roles)
			if _, err := tx.ExecContext(ctx, "UPDATE invite SET used = used + 1 WHERE code = ?", code); err != nil {
				return nil, nil, err
			}
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO invite_use (code, pubkey, at) VALUES (?, ?, ?)", code, by.Key.String(), at); err != nil {
				return nil, nil, err
			}
			return s.join(ctx, tx, m, at)
		},
		remember: func(int64) { s.remembers(m.PubKey, m.Roles) },
	})
}

// existing are those of the roles that have not been deleted.
func (s *Store) existing(roles []string) (left []string) {
	for _, id := range roles {
		if _, ok := s.Role(id); ok {
			left = append(left, id)
		}
	}
	return left
}

// Invites returns at most limit invites, the newest first, that are older than the
// before-th; 0: than none. With a maker, those of that one alone.
func (s *Store) Invites(ctx context.Context, maker *event.PubKey, before int64, limit int) ([]Invite, error) {
	where, args := " WHERE nth < ?", []any{olderThan(before)}
	if maker != nil {
		where += " AND by IS ?"
		args = append(args, keyOrNull(*maker))
	}
	rows, err := s.db.QueryContext(ctx, inviteColumns+where+" ORDER BY nth DESC LIMIT ?", append(args, limit)...)
	return collect(rows, err, readInvite)
}

// OpenInvites returns at most limit invites of one maker that can be used, the newest
// first.
func (s *Store) OpenInvites(ctx context.Context, maker event.PubKey, limit int) ([]Invite, error) {
	rows, err := s.db.QueryContext(ctx, inviteColumns+" WHERE by IS ? AND "+inviteIsOpen+" ORDER BY nth DESC LIMIT ?", keyOrNull(maker), s.now().Unix(), limit)
	return collect(rows, err, readInvite)
}

// Invite returns the invite of that code.
func (s *Store) Invite(ctx context.Context, code string) (Invite, bool, error) {
	return inviteOf(ctx, s.db, code)
}

// InviteUses returns who has used an invite, the first first, at most limit of them
// whose keys are greater than after.
func (s *Store) InviteUses(ctx context.Context, code string, after event.PubKey, limit int) ([]InviteUse, error) {
	rows, err := s.db.QueryContext(ctx, "SELECT pubkey, at FROM invite_use WHERE code = ? AND pubkey > ? ORDER BY pubkey LIMIT ?", code, after.String(), limit)
	return collect(rows, err, func(scan func(...any) error) (u InviteUse, err error) {
		var hex string
		if err = scan(&hex, &u.At); err == nil {
			u.PubKey, err = event.ParsePubKey(hex)
		}
		return u, err
	})
}

const inviteColumns = "SELECT nth, code, at, COALESCE(by, ''), until, most, used, roles FROM invite"

func readInvite(scan func(...any) error) (i Invite, err error) {
	var by, roles string
	if err = scan(&i.Nth, &i.Code, &i.At, &by, &i.Until, &i.Most, &i.Used, &roles); err != nil {
		return i, err
	}
	if by != "" {
		if i.By, err = event.ParsePubKey(by); err != nil {
			return i, err
		}
	}
	return i, json.Unmarshal([]byte(roles), &i.Roles)
}

func inviteOf(ctx context.Context, db querier, code string) (Invite, bool, error) {
	i, err := readInvite(db.QueryRowContext(ctx, inviteColumns+" WHERE code = ?", code).Scan)
	if errors.Is(err, sql.ErrNoRows) {
		return i, false, nil
	}
	return i, err == nil, err
}
