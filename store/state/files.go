package state

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
)

// Owns reports a file of the database: SQLite keeps two more beside it while it is open.
func Owns(name string) bool {
	rest, ok := strings.CutPrefix(name, File)
	return ok && (rest == "" || rest == "-wal" || rest == "-shm" || rest == "-journal")
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

// Bytes are the database as of one point in time, as a file would have it.
func (s *Store) Bytes(ctx context.Context) (text []byte, err error) {
	conn, err := s.db.Conn(ctx)
	if err != nil {
		return nil, fmt.Errorf("copy state: %w", err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(ctx, "BEGIN; SELECT count(*) FROM job"); err != nil { // to read what is there now
		return nil, fmt.Errorf("copy state: %w", err)
	}
	err = conn.Raw(func(driver any) (err error) {
		text, err = driver.(interface{ Serialize() ([]byte, error) }).Serialize()
		return err
	})
	_, ended := conn.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err = errors.Join(err, ended); err != nil {
		return nil, fmt.Errorf("copy state: %w", err)
	}
	return text, nil
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
