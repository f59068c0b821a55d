package state

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"unicode"

	"moa/nips/event"
)

// Role is what members may have. It gives no right by itself: policies and doors do.
type Role struct {
	ID          string `json:"id"`
	Label       string `json:"label,omitempty"`
	Description string `json:"description,omitempty"`
	Color       *int   `json:"color,omitempty"` // of the color circle, 0 to 360; nil: none
	Order       *int   `json:"order,omitempty"` // among the roles, the smallest first; nil: behind all
}

const (
	maxRoles    = 256
	maxRoleID   = 64   // bytes
	maxRoleText = 1024 // bytes
)

// check says what is wrong with a role.
func (r *Role) check() error {
	switch {
	case r.ID == "" || len(r.ID) > maxRoleID || unprintable(r.ID):
		return fmt.Errorf("%w: the id of a role has 1 to %d bytes, without spaces", ErrRequest, maxRoleID)
	case len(r.Label) > maxRoleText || len(r.Description) > maxRoleText:
		return fmt.Errorf("%w: a role's label and description have at most %d bytes", ErrRequest, maxRoleText)
	case r.Color != nil && (*r.Color < 0 || *r.Color > 360):
		return fmt.Errorf("%w: the color %d is not between 0 and 360", ErrRequest, *r.Color)
	}
	return nil
}

// unprintable reports a space, or what cannot be seen.
func unprintable(s string) bool {
	for _, r := range s {
		if r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) {
			return true
		}
	}
	return false
}

// Role returns a role. It takes no lock.
func (s *Store) Role(id string) (Role, bool) {
	r, ok := (*s.memory.roles.Load())[id]
	return r, ok
}

// Roles are all roles in their order.
func (s *Store) Roles() []Role {
	last := func(order *int) int {
		if order == nil {
			return 1 << 62
		}
		return *order
	}
	return slices.SortedFunc(maps.Values(*s.memory.roles.Load()), func(a, b Role) int {
		return cmp.Or(cmp.Compare(last(a.Order), last(b.Order)), cmp.Compare(a.ID, b.ID))
	})
}

// CreateRole makes a role that is not there yet.
func (s *Store) CreateRole(ctx context.Context, by Actor, r Role) error {
	return s.setRole(ctx, by, "create role", r, func(exists bool) error {
		if exists {
			return fmt.Errorf("%w: there is a role %q already", ErrRequest, r.ID)
		}
		if len(*s.memory.roles.Load()) >= maxRoles {
			return fmt.Errorf("%w: there are %d roles already", ErrRequest, maxRoles)
		}
		return nil
	})
}

// EditRole replaces all that is said of a role.
func (s *Store) EditRole(ctx context.Context, by Actor, r Role) error {
	return s.setRole(ctx, by, "edit role", r, func(exists bool) error {
		if !exists {
			return noRole(r.ID)
		}
		return nil
	})
}

func noRole(id string) error { return fmt.Errorf("%w: there is no role %.100q", ErrRequest, id) }

func (s *Store) setRole(ctx context.Context, by Actor, verb string, r Role, allowed func(exists bool) error) error {
	if err := r.check(); err != nil {
		return err
	}
	return s.make(ctx, entry{
		by: by, verb: verb, subject: r.ID, jobs: []string{PublishRole},
		write: func(tx *sql.Tx, at int64) (was, became any, err error) {
			before, exists := s.Role(r.ID)
			if err := allowed(exists); err != nil {
				return nil, nil, err
			}
			if exists {
				was = before
			}
			_, err = tx.ExecContext(ctx, `INSERT INTO role (id, at, label, description, color, place) VALUES (?, ?, ?, ?, ?, ?)
				ON CONFLICT (id) DO UPDATE SET at = excluded.at, label = excluded.label, description = excluded.description,
				color = excluded.color, place = excluded.place`, r.ID, at, r.Label, r.Description, r.Color, r.Order)
			return was, r, err
		},
		remember: func(int64) { s.changeRoles(func(all map[string]Role) { all[r.ID] = r }) },
	})
}

// DeleteRole deletes a role; nobody has it any more.
func (s *Store) DeleteRole(ctx context.Context, by Actor, id string) error {
	return s.make(ctx, entry{
		by: by, verb: "delete role", subject: id, jobs: []string{PublishRole, PublishMembers},
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if before, exists := s.Role(id); exists {
				was = before
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM role WHERE id = ?", id)
			return was, nil, err
		},
		remember: func(int64) {
			s.changeRoles(func(all map[string]Role) { delete(all, id) })
			all := s.AllMembers()
			for pk, m := range all {
				if m.Has(id) {
					all[pk] = newMember(slices.DeleteFunc(m.Roles(), func(r string) bool { return r == id }))
				}
			}
			s.memory.members.replace(all)
			s.memory.joins.Add(1)
		},
	})
}

func (s *Store) changeRoles(f func(map[string]Role)) {
	all := maps.Clone(*s.memory.roles.Load())
	f(all)
	s.memory.roles.Store(&all)
}

// AssignRole gives a member a role.
func (s *Store) AssignRole(ctx context.Context, by Actor, pk event.PubKey, id string) error {
	return s.changeAssignment(ctx, by, "assign role", pk, id, func(tx *sql.Tx, has bool) (any, any, error) {
		if has {
			return id, id, nil
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO member_role (pubkey, role) VALUES (?, ?)", pk.String(), id)
		return nil, id, err
	}, func(roles []string) []string { return append(roles, id) })
}

// UnassignRole takes a role away from a member.
func (s *Store) UnassignRole(ctx context.Context, by Actor, pk event.PubKey, id string) error {
	return s.changeAssignment(ctx, by, "unassign role", pk, id, func(tx *sql.Tx, has bool) (any, any, error) {
		if !has {
			return nil, nil, nil
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM member_role WHERE pubkey = ? AND role = ?", pk.String(), id)
		return id, nil, err
	}, func(roles []string) []string { return slices.DeleteFunc(roles, func(r string) bool { return r == id }) })
}

func (s *Store) changeAssignment(ctx context.Context, by Actor, verb string, pk event.PubKey, id string,
	write func(tx *sql.Tx, has bool) (was, became any, err error), roles func([]string) []string,
) error {
	return s.make(ctx, entry{
		by: by, verb: verb, subject: pk.String(), jobs: []string{PublishMembers},
		write: func(tx *sql.Tx, _ int64) (any, any, error) {
			m, is := s.Member(pk)
			if !is {
				return nil, nil, ErrNoMember
			}
			if err := s.rolesExist([]string{id}); err != nil {
				return nil, nil, err
			}
			return write(tx, m.Has(id))
		},
		remember: func(int64) {
			s.memory.members.change(pk, func(m Member) (Member, bool) { return newMember(roles(m.Roles())), true })
			s.memory.joins.Add(1)
		},
	})
}

func (s *Store) rolesExist(ids []string) error {
	for _, id := range ids {
		if _, ok := s.Role(id); !ok {
			return noRole(id)
		}
	}
	return nil
}

func (s *Store) loadRoles(ctx context.Context) (map[string]Role, error) {
	all := map[string]Role{}
	rows, err := s.db.QueryContext(ctx, "SELECT id, label, description, color, place FROM role")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var r Role
		err = scan(&r.ID, &r.Label, &r.Description, &r.Color, &r.Order)
		all[r.ID] = r
		return none, err
	})
	return all, err
}
