package state

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"strconv"
)

// Kind says what a door has decided about a kind; decided is false if none has. It
// takes no lock.
func (s *Store) Kind(kind uint16) (allowed, decided bool) {
	allowed, decided = (*s.memory.kinds.Load())[kind]
	return allowed, decided
}

// Kinds are those about which a door has decided.
func (s *Store) Kinds() map[uint16]bool { return maps.Clone(*s.memory.kinds.Load()) }

// SetKind allows a kind, or does not.
func (s *Store) SetKind(ctx context.Context, by Actor, kind uint16, allowed bool) error {
	verb := "disallow kind"
	if allowed {
		verb = "allow kind"
	}
	return s.make(ctx, entry{
		by: by, verb: verb, subject: strconv.Itoa(int(kind)),
		write: func(tx *sql.Tx, at int64) (was, became any, err error) {
			if before, decided := s.Kind(kind); decided {
				was = before
			}
			_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO kind (kind, at, allowed) VALUES (?, ?, ?)", kind, at, allowed)
			return was, allowed, err
		},
		remember: func(int64) {
			all := s.Kinds()
			all[kind] = allowed
			s.memory.kinds.Store(&all)
		},
	})
}

// ResetKind lets the configuration decide about a kind again.
func (s *Store) ResetKind(ctx context.Context, by Actor, kind uint16) error {
	return s.make(ctx, entry{
		by: by, verb: "reset kind", subject: strconv.Itoa(int(kind)),
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if before, decided := s.Kind(kind); decided {
				was = before
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM kind WHERE kind = ?", kind)
			return was, nil, err
		},
		remember: func(int64) {
			all := s.Kinds()
			delete(all, kind)
			s.memory.kinds.Store(&all)
		},
	})
}

// The settings that doors may change.
const (
	SettingName        = "name"
	SettingDescription = "description"
	SettingIcon        = "icon"
)

const maxSetting = 4096 // bytes

// Setting returns what a door has set; set is false if none has. It takes no lock.
func (s *Store) Setting(name string) (value string, set bool) {
	value, set = (*s.memory.settings.Load())[name]
	return value, set
}

// Settings are all that doors have set.
func (s *Store) Settings() map[string]string { return maps.Clone(*s.memory.settings.Load()) }

// Set changes a setting. It stands over the configuration until it is reset.
func (s *Store) Set(ctx context.Context, by Actor, name, value string) error {
	if len(value) > maxSetting {
		return fmt.Errorf("%w: %s has %d bytes, more than %d", ErrRequest, name, len(value), maxSetting)
	}
	return s.make(ctx, entry{
		by: by, verb: "set", subject: name,
		write: func(tx *sql.Tx, at int64) (was, became any, err error) {
			if before, set := s.Setting(name); set {
				was = before
			}
			_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO setting (name, at, value) VALUES (?, ?, ?)", name, at, value)
			return was, value, err
		},
		remember: func(int64) {
			all := s.Settings()
			all[name] = value
			s.memory.settings.Store(&all)
		},
	})
}

// Reset lets the configuration decide about a setting again.
func (s *Store) Reset(ctx context.Context, by Actor, name string) error {
	return s.make(ctx, entry{
		by: by, verb: "reset", subject: name,
		write: func(tx *sql.Tx, _ int64) (was, became any, err error) {
			if before, set := s.Setting(name); set {
				was = before
			}
			_, err = tx.ExecContext(ctx, "DELETE FROM setting WHERE name = ?", name)
			return was, nil, err
		},
		remember: func(int64) {
			all := s.Settings()
			delete(all, name)
			s.memory.settings.Store(&all)
		},
	})
}

func (s *Store) loadKinds(ctx context.Context) (map[uint16]bool, error) {
	all := map[uint16]bool{}
	rows, err := s.db.QueryContext(ctx, "SELECT kind, allowed FROM kind")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var kind uint16
		var allowed bool
		err = scan(&kind, &allowed)
		all[kind] = allowed
		return none, err
	})
	return all, err
}

func (s *Store) loadSettings(ctx context.Context) (map[string]string, error) {
	all := map[string]string{}
	rows, err := s.db.QueryContext(ctx, "SELECT name, value FROM setting")
	_, err = collect(rows, err, func(scan func(...any) error) (none struct{}, err error) {
		var name, value string
		err = scan(&name, &value)
		all[name] = value
		return none, err
	})
	return all, err
}
