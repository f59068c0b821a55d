package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
	"time"
)

var backupFigure = regexp.MustCompile(`(?m)^moa_store_backup_timestamp_seconds (.+)$`)

// backupTime is what a relay's metrics say of its newest backup.
func backupTime(t *testing.T, url string) int64 {
	t.Helper()
	text := fetchText(t, url, "/metrics", "")
	m := backupFigure.FindStringSubmatch(text)
	if m == nil {
		t.Fatalf("the metrics do not say when the newest backup was taken:\n%s", text)
	}
	at, err := strconv.ParseFloat(m[1], 64)
	mustDo(t, err)
	return int64(at)
}

// An alert can be had on a backup that was not taken: whole ones are noted, of a relay
// that runs and of one that does not, and the note outlives a restart.
func TestTheTimeOfTheNewestBackupIsAMetric(t *testing.T) {
	data, dir := filepath.Join(t.TempDir(), "data"), t.TempDir()
	s := serveIn(t, data)
	if at := backupTime(t, s.URL); at != 0 {
		t.Errorf("before any backup it is %d", at)
	}
	long := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	backup := func(to string, runs bool) {
		t.Helper()
		if !runs {
			s.stop(t)
		}
		mustDo(t, noteBackup(data, long))
		began := time.Now().Unix()
		if _, stderr, code := run(t, "", "store", "backup", "--data", data, to); code != 0 || regexp.MustCompile("warning").MatchString(stderr) {
			t.Errorf("%s: exit code %d, %s", to, code, stderr)
		}
		if !runs {
			s = serveIn(t, data)
		}
		if at := backupTime(t, s.URL); at < began || at > time.Now().Unix() {
			t.Errorf("after a backup to %s it is %d, and now is %d", to, at, began)
		}
	}
	backup(filepath.Join(dir, "one"), true)
	backup("-", true)
	backup(filepath.Join(dir, "two"), false)
	backup("-", false)

	mustDo(t, noteBackup(data, long))
	mustDo(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	if _, _, code := run(t, "", "store", "backup", "--data", data, filepath.Join(dir, "file", "three")); code == 0 {
		t.Error("a backup into a file succeeds")
	}
	if at := backupTime(t, s.URL); at != long.Unix() {
		t.Errorf("after a backup that failed it is %d", at)
	}
}
