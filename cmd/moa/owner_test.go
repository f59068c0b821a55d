package main

import (
	"bytes"
	"context"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"moa/nips/event"
	"moa/relay/relaytest"
)

const other = 65534 // a user that is not root

// A file of the store that the relay's user may not read is no damage, which the
// operator would repair: it is told who must run moa, or have the file.
func TestAFileThatMayNotBeReadIsNoDamage(t *testing.T) {
	data, _ := dataOf(t, 3)
	tables, err := filepath.Glob(filepath.Join(data, "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	mustDo(t, os.WriteFile(filepath.Join(data, "moderation.jsonl"), nil, 0o600))
	for _, name := range []string{tables[0], filepath.Join(data, "moderation.jsonl"), data} {
		mode := os.FileMode(0o600)
		if name == data {
			mode = 0o700
		}
		mustDo(t, os.Chmod(name, 0))
		for _, args := range [][]string{{"serve", "--listen", "127.0.0.1:0"}, {"store", "check"}, {"export"}} {
			if args[0] == "store" && filepath.Base(name) == "moderation.jsonl" {
				continue // which a check does not read
			}
			stderr, code := runUnprivileged(t, data, append(args, "--data", data)...)
			if code != 1 || !strings.Contains(stderr, name+" belongs to ") || !strings.Contains(stderr, "chown -R") {
				t.Errorf("%v without %s: exit code %d\n%s", args, name, code, stderr)
			}
		}
		mustDo(t, os.Chmod(name, mode))
	}
}

// What names a folder that is not there says so, and does not call it damaged.
func TestAFolderThatIsNotThere(t *testing.T) {
	data, _ := dataOf(t, 3)
	nowhere := filepath.Join(t.TempDir(), "no", "backup")
	for want, args := range map[string][]string{
		"there is no backup: ":                        {"restore", "--replace", nowhere},
		"there is no folder " + filepath.Dir(nowhere): {"backup", nowhere},
	} {
		_, stderr, code := run(t, "", append([]string{"store", args[0], "--data", data}, args[1:]...)...)
		if code != 1 || !strings.Contains(stderr, want) || strings.Contains(stderr, "damaged") {
			t.Errorf("store %v: exit code %d, %s", args, code, stderr)
		}
	}
}

// runUnprivileged runs moa as a user for whom the modes of files count.
func runUnprivileged(t *testing.T, data string, args ...string) (stderr string, code int) {
	t.Helper()
	if os.Geteuid() != 0 {
		_, stderr, code = run(t, "", args...)
		return stderr, code
	}
	give(t, data)
	ctx, cancel := context.WithTimeout(t.Context(), relaytest.Patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, reachable(t), args...)
	cmd.Env = append(os.Environ(), asMoa+"=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: other, Gid: other}}
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return errs.String(), cmd.ProcessState.ExitCode()
}

// reachable is a copy of the test binary that every user may run.
func reachable(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mustDo(t, os.Chmod(filepath.Dir(dir), 0o755)) //nolint:gosec // for another user
	program, err := os.ReadFile(os.Args[0])
	mustDo(t, err)
	name := filepath.Join(dir, "moa")
	mustDo(t, os.WriteFile(name, program, 0o755)) //nolint:gosec // for another user
	return name
}

// What root makes in a folder of the relay's user is that user's: the relay starts
// after it. A folder that is reached by a link, as systemd has it for a dynamic user,
// is restored where it is.
func TestWhatRootMakesIsTheOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	there, _ := dataOf(t, 3)
	data := filepath.Join(t.TempDir(), "link")
	mustDo(t, os.Symlink(there, data))
	give(t, there)
	backup := filepath.Join(t.TempDir(), "backup")
	for _, args := range [][]string{
		{"store", "check"},
		{"import", file(t, "more.jsonl", jsonl([]*event.Event{relaytest.NewKey(5).Note(t, "later")}))},
		{"store", "backup", backup},
		{"store", "repair"},
		{"store", "restore", "--replace", backup},
	} {
		good(t, append(args, "--data", data)...)
		isOwners(t, strings.Join(args, " "), there)
	}
	s := serveIn(t, data)
	s.stop(t)
	isOwners(t, "serve", there)
	if to, err := os.Readlink(data); err != nil || to != there {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	beside := filepath.Join(there, "inside")
	good(t, "store", "restore", "--data", beside, backup)
	isOwners(t, "restore to a new folder", beside)
}

// A store that root makes in a folder of the relay's user is that user's, with the
// folders that lead to it: the relay starts on it. Above the user's folder nothing changes.
func TestAStoreThatRootMakesIsTheOwners(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	events := file(t, "events.jsonl", jsonl([]*event.Event{relaytest.NewKey(5).Note(t, "first")}))
	makers := map[string]func(data string){
		"import": func(data string) { good(t, "import", "--data", data, events) },
		"serve":  func(data string) { serveIn(t, data).stop(t) },
	}
	for verb, makes := range makers {
		home := t.TempDir()
		give(t, home)
		makes(filepath.Join(home, "deep", "store"))
		isOwners(t, verb, home)
		mustDo(t, os.Chmod(filepath.Dir(home), 0o755)) //nolint:gosec // for another user
		if stderr, code := runUnprivileged(t, home, "store", "check", "--data", filepath.Join(home, "deep", "store")); code != 0 {
			t.Errorf("after %s the user's check ends with %d: %s", verb, code, stderr)
		}
		if got := ownerOf(t, filepath.Dir(home)); got != 0 {
			t.Errorf("after %s root's folder belongs to %d", verb, got)
		}
	}
}

// What root can read the relay's user may not: check-config says for whom it has checked.
func TestCheckConfigSaysThatItWasRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	theirs, ours := t.TempDir(), t.TempDir()
	give(t, theirs)
	for data, want := range map[string]bool{theirs: true, filepath.Join(theirs, "new", "store"): true, ours: false, filepath.Join(ours, "new"): false} {
		if _, stderr := good(t, "check-config", "--data", data); strings.Contains(stderr, "note: this was checked as root") != want {
			t.Errorf("%s: %s", data, stderr)
		}
	}
	mustDo(t, os.Chmod(filepath.Dir(theirs), 0o755)) //nolint:gosec // for another user
	if stderr, code := runUnprivileged(t, theirs, "check-config", "--data", theirs); code != 0 || strings.Contains(stderr, "as root") {
		t.Errorf("as that user: exit code %d, %s", code, stderr)
	}
}

// A file of root's to which another user has made a hard link stays root's.
func TestALinkIsNotGivenAway(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to another user")
	}
	data, _ := dataOf(t, 3)
	give(t, data)
	secret := file(t, "secret", "root's")
	mustDo(t, os.Link(secret, filepath.Join(data, "records.hard")))
	mustDo(t, os.Symlink(secret, filepath.Join(data, "soft")))
	good(t, "store", "check", "--data", data)
	if got := ownerOf(t, secret); got != 0 {
		t.Errorf("root's file belongs to %d", got)
	}
}

func give(t *testing.T, data string) {
	t.Helper()
	mustDo(t, filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, other, other)
	}))
}

func isOwners(t *testing.T, after, data string) {
	t.Helper()
	mustDo(t, filepath.WalkDir(data, func(path string, _ fs.DirEntry, err error) error {
		if err == nil && ownerOf(t, path) != other {
			t.Errorf("after %s: %s belongs to %d", after, path, ownerOf(t, path))
		}
		return err
	}))
}

func ownerOf(t *testing.T, path string) uint32 {
	t.Helper()
	info, err := os.Lstat(path)
	mustDo(t, err)
	return info.Sys().(*syscall.Stat_t).Uid
}

func mustDo(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
