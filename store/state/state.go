// Package state keeps what people and operators decide: members, roles and invites,
// bans, hidden events, blocked addresses, changed settings, and who changed what when.
// It is one SQLite database, state.db in the data folder, which any tool for SQLite can
// read.
//
// A change is one transaction, durable when the function that makes it returns. The
// transaction writes the change itself, its row of the audit log, and the jobs that
// follow from it. Policies ask memory, which follows each transaction: Author, Event,
// Address, Kind and Member take no lock and no query.
package state

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"

	_ "modernc.org/sqlite" // a pure-Go port of SQLite, released with each SQLite since 2018; 8 MB of the binary

	"moa/nips/event"
)

// File is the name of the database in the data folder.
const File = "state.db"

// Store is safe for concurrent use. The data folder's lock keeps other processes from
// writing.
type Store struct {
	path string
	now  func() time.Time
	told func(by Actor, verb string, err error)
	db   *sql.DB

	changing   sync.Mutex // held for a change, and what memory learns of it
	broken     error      // memory may not be what the database has; guarded by changing
	generation atomic.Uint64
	memory     memory
}

// Options are those of Open.
type Options struct {
	Path string           // the database; it is made if it is not there
	Now  func() time.Time // nil: time.Now
	// Told is called for each change that was made, or has failed. nil: nobody is told.
	Told func(by Actor, verb string, err error)
}

// ErrNewer is returned for a database that a newer moa has written.
var ErrNewer = errors.New("the database was written by a newer version of moa")

// Open opens the database, and brings it to this version's form.
func Open(ctx context.Context, o Options) (*Store, error) {
	// SQLite gives its other files the same mode.
	f, err := os.OpenFile(o.Path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	if err := errors.Join(f.Close(), removeCopies(o.Path)); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	db, err := sql.Open("sqlite", source(o.Path))
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	db.SetMaxOpenConns(mostOpen)
	s := newStore(db, o)
	if err := migrate(ctx, db); err != nil {
		return nil, errors.Join(fmt.Errorf("open state %s: %w", o.Path, err), db.Close())
	}
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open state %s: %w", o.Path, err), db.Close())
	}
	return s, nil
}

// mostOpen bounds the connections to the database, each of which has a cache: one writes,
// the others read for doors.
const mostOpen = 8

func newStore(db *sql.DB, o Options) *Store {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Told == nil {
		o.Told = func(Actor, string, error) {}
	}
	s := &Store{path: o.Path, now: o.Now, told: o.Told, db: db}
	s.memory.waiting.recheck, s.memory.waiting.hint = map[event.PubKey]bool{}, make(chan struct{}, 1)
	return s
}

func source(path string) string {
	pragmas := url.Values{"_pragma": {"journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(1)", "busy_timeout(10000)", "temp_store(MEMORY)", "secure_delete(1)"}, "_txlock": {"immediate"}}
	return (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: pragmas.Encode()}).String()
}

// Close closes the database. No change may be under way.
func (s *Store) Close() error { return s.db.Close() }

// Generation grows with each change: what was asked before it may be answered
// otherwise now.
func (s *Store) Generation() uint64 { return s.generation.Load() }

//go:embed migrations/*.sql
var migrations embed.FS

// migrate runs the migrations that the database has not seen, each in a transaction.
func migrate(ctx context.Context, db *sql.DB) error {
	names, version, err := formOf(ctx, db)
	if err != nil {
		return err
	}
	for _, name := range names[version:] {
		version++
		text, err := migrations.ReadFile(name)
		if err == nil {
			err = inTransaction(ctx, db, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(ctx, string(text)); err != nil {
					return err
				}
				_, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", version))
				return err
			})
		}
		if err != nil {
			return fmt.Errorf("bring it to form %d: %w", version, err)
		}
	}
	return nil
}

// formOf returns the migrations, and how many of them the database has seen.
func formOf(ctx context.Context, db *sql.DB) (names []string, version int, err error) {
	if names, err = fs.Glob(migrations, "migrations/*.sql"); err != nil {
		return nil, 0, err
	}
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&version); err != nil {
		return nil, 0, err
	}
	if version > len(names) {
		return nil, 0, fmt.Errorf("%w (form %d, this one knows %d)", ErrNewer, version, len(names))
	}
	return names, version, nil
}

func inTransaction(ctx context.Context, db *sql.DB, f func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := f(tx); err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return tx.Commit()
}
