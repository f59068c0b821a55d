package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// openFolder locks the folder and opens the keys in it.
func openFolder(o *Options) (io.Closer, *badger.DB, error) {
	lock, err := lockFolder(o)
	if err != nil {
		return nil, nil, err
	}
	var db *badger.DB
	if err = errors.Join(finishSwap(o.Dir), abandonSwap(o.Dir)); err == nil {
		err = openRoom(o)
	}
	if err == nil {
		err = inspect(o)
	}
	if err == nil {
		db, err = openBadger(o)
	}
	if err != nil {
		return nil, nil, errors.Join(err, lock.Close())
	}
	return lock, db, nil
}

func openBadger(o *Options) (*badger.DB, error) {
	options := badgerOptions(o).WithLogger(logger{o.Log})
	if err := removeEmptyLogs(o.Dir); err != nil {
		return nil, err
	}
	if err := flushLogs(options); err != nil {
		return nil, err
	}
	db, err := badger.OpenManaged(options)
	if err != nil {
		return nil, damaged(err.Error())
	}
	return db, nil
}

// logHead is what a log of Badger's begins with.
const logHead = 20

// removeEmptyLogs removes logs that have nothing. Badger deletes a log by cutting
// it off first, and makes one before it has a length: a crash leaves one of 0
// bytes at times, and Badger would not open the store.
func removeEmptyLogs(dir string) error {
	removed := false
	for _, suffix := range []string{".mem", ".vlog"} {
		names, err := filesOf(dir, suffix)
		if err != nil {
			return err
		}
		for _, name := range names {
			info, err := os.Stat(name)
			if err == nil && info.Size() < logHead {
				removed = true
				err = os.Remove(name)
			}
			if err != nil {
				return err
			}
		}
	}
	if !removed {
		return nil
	}
	return syncFile(dir)
}

// flushLogs makes tables of the logs that a crash has left, if they are of a run
// with another CacheMB: Badger reads a log into one memtable of the present size,
// and ends the process if it does not fit.
func flushLogs(options badger.Options) error {
	var size int64
	names, err := filesOf(options.Dir, ".mem")
	for _, name := range names {
		if info, err := os.Stat(name); err == nil {
			size = max(size, info.Size())
		}
	}
	// A log is made with the length of two memtables. Once it was read it is as
	// long as what it has, which may take more memory than that.
	if err != nil || size == 2*options.MemTableSize || 2*size <= options.MemTableSize {
		return err
	}
	db, err := badger.OpenManaged(options.WithMemTableSize(2 * size))
	if err != nil {
		return damaged(err.Error())
	}
	return db.Close()
}

// badgerOptions spends o.CacheMB, about, on two or three memtables, whose
// arenas are a third larger than their nominal size. Tables hold keys alone, with
// what they share left out: to compress them would save little, and then blocks
// would have to be cached. Few levels are few tables to look into.
func badgerOptions(o *Options) badger.Options {
	mb := int64(o.CacheMB) << 20
	return badger.DefaultOptions(o.Dir).
		WithBypassLockGuard(true).  // lockFolder has the same lock
		WithSyncWrites(false).      // the journal is synced
		WithDetectConflicts(false). // there is one writer
		WithNumVersionsToKeep(1).
		WithMetricsEnabled(false).
		WithMemTableSize(min(max(mb/5, 8<<20), 64<<20)).
		WithNumMemtables(1).
		WithNumLevelZeroTables(4).
		WithBaseLevelSize(64 << 20).
		WithBaseTableSize(8 << 20).
		WithBlockCacheSize(0).
		WithIndexCacheSize(0).
		WithCompression(options.None).
		WithValueThreshold(valueThreshold).
		WithValueLogFileSize(64 << 20).
		WithNumCompactors(2).
		WithNumGoroutines(2)
}

// valueThreshold is from how many bytes on a value goes to the value log: the
// most that Badger allows. A key has a few bytes at most beside it; records, which
// older formats had there, are not to be in the value log either, for then its
// garbage must be collected, and that is not safe:
// Badger 4.9.6 writes what it rewrites with its old version again, on top of
// the tree, and a compaction may have dropped, or may drop later, the newer
// version below that says that it was deleted. Deleted events came back in
// TestRemovedEventsGiveTheirRoomBack.
const valueThreshold = 1 << 20

// logger maps what Badger says to slog. What it does in the normal course is
// of no interest to an operator.
type logger struct{ *slog.Logger }

func (l logger) Errorf(f string, a ...any)   { l.say(slog.LevelError, f, a) }
func (l logger) Warningf(f string, a ...any) { l.say(slog.LevelWarn, f, a) }
func (l logger) Infof(f string, a ...any)    { l.say(slog.LevelDebug, f, a) }
func (l logger) Debugf(string, ...any)       {}

func (l logger) say(level slog.Level, f string, a []any) {
	ctx := context.Background()
	if l.Enabled(ctx, level) {
		l.Log(ctx, level, "badger", "says", strings.TrimSpace(fmt.Sprintf(f, a...)))
	}
}
