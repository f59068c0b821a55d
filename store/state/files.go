package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// Owns reports a file of the database: SQLite keeps two more beside it while it is open,
// and a copy is there while it is made.
func Owns(name string) bool {
	rest, ok := strings.CutPrefix(name, File)
	return ok && (rest == "" || rest == "-wal" || rest == "-shm" || rest == "-journal" || strings.HasPrefix(rest, copying))
}

// OpenReading opens a database that another process may have open, to read it. It makes
// none, and changes nothing of it: of a missing one, or one that was never written, the
// error is os.ErrNotExist.
func OpenReading(ctx context.Context, path string) (*Store, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	query := url.Values{"mode": {"ro"}, "_pragma": {"busy_timeout(10000)"}}
	db, err := sql.Open("sqlite", (&url.URL{Scheme: "file", OmitHost: true, Path: path, RawQuery: query.Encode()}).String())
	if err != nil {
		return nil, fmt.Errorf("open state: %w", err)
	}
	s := newStore(db, Options{Path: path})
	if err := s.read(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open state %s: %w", path, err), db.Close())
	}
	return s, nil
}

// read is load for a database that is not to be changed.
func (s *Store) read(ctx context.Context) error {
	names, version, err := formOf(ctx, s.db)
	switch {
	case err != nil:
		return err
	case version == 0:
		return os.ErrNotExist
	case version < len(names):
		return errors.New("it was written by an older version of moa, whose form a start of the relay brings to this one's")
	}
	return s.load(ctx)
}

// copying is what the names of copies that are being made begin with, behind that of the
// database.
const copying = "-copy-"

// Copy is the database as of one point in time. It is a file beside the database without a
// name: its room is free again when it is closed, or the process ends. Changes go on.
func (s *Store) Copy(ctx context.Context) (*os.File, error) {
	f, err := os.CreateTemp(filepath.Dir(s.path), filepath.Base(s.path)+copying+"*")
	if err != nil {
		return nil, fmt.Errorf("copy state: %w", err)
	}
	_, err = s.db.ExecContext(ctx, "VACUUM INTO ?", f.Name())
	if err = errors.Join(err, os.Remove(f.Name())); err != nil {
		return nil, errors.Join(fmt.Errorf("copy state: %w", err), f.Close())
	}
	return f, nil
}

// removeCopies removes what a process has left that was killed while it made one.
func removeCopies(path string) error {
	names, err := filepath.Glob(path + copying + "*")
	for _, name := range names {
		err = errors.Join(err, os.Remove(name))
	}
	return err
}

// Check reads all of the database, and tells what does not fit together.
func (s *Store) Check(ctx context.Context) (problems []string, err error) {
	rows, err := s.db.QueryContext(ctx, "PRAGMA integrity_check")
	problems, err = collect(rows, err, func(scan func(...any) error) (line string, err error) {
		err = scan(&line)
		return line, err
	})
	if len(problems) == 1 && problems[0] == "ok" {
		problems = nil
	}
	return problems, err
}
