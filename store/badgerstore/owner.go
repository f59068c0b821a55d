package badgerstore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// folderLock is a store's folder, locked until it is closed.
type folderLock struct{ *os.File }

// Close gives what root has made in the folder to the folder's owner: a command that
// root runs on the store of a service leaves no files there that the service cannot read.
func (l folderLock) Close() error {
	var owner unix.Stat_t
	err := unix.Fstat(int(l.Fd()), &owner)
	if err == nil {
		err = giveAll(l.File, &owner)
	}
	return errors.Join(err, l.File.Close())
}

// giveAll gives a folder's files that are root's to another owner, if this is root.
func giveAll(dir *os.File, owner *unix.Stat_t) error {
	if os.Geteuid() != 0 || owner.Uid == 0 {
		return nil
	}
	if _, err := dir.Seek(0, io.SeekStart); err != nil {
		return err
	}
	names, err := dir.Readdirnames(-1)
	for _, name := range names {
		err = errors.Join(err, giveFile(int(dir.Fd()), name, owner))
	}
	return err
}

// giveFile gives one file. The folder's owner may have put a link there to a file of
// root's that is elsewhere: no link is followed, and what has two names is not given.
func giveFile(dir int, name string, owner *unix.Stat_t) error {
	fd, err := unix.Openat(dir, name, unix.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	defer unix.Close(fd)
	var file unix.Stat_t
	if err := unix.Fstat(fd, &file); err != nil || file.Mode&unix.S_IFMT != unix.S_IFREG || file.Nlink != 1 || file.Uid != 0 {
		return err
	}
	return unix.Fchown(fd, int(owner.Uid), int(owner.Gid))
}

// giveLike gives a new folder and what is in it to the owner of another.
func giveLike(path, model string) error {
	var owner unix.Stat_t
	if err := unix.Stat(model, &owner); err != nil {
		return fmt.Errorf("%s: %w", model, err)
	}
	dir, err := os.OpenFile(path, openFolderFlags, 0)
	if err != nil {
		return err
	}
	return errors.Join(giveAll(dir, &owner), giveFolder(dir, &owner), dir.Close())
}

// openFolderFlags open a folder, and nothing that its owner has put in its place.
const openFolderFlags = os.O_RDONLY | unix.O_DIRECTORY | unix.O_NOFOLLOW

// giveFolder gives a folder that is root's to another owner, if this is root.
func giveFolder(dir *os.File, owner *unix.Stat_t) error {
	var is unix.Stat_t
	if err := unix.Fstat(int(dir.Fd()), &is); err != nil || os.Geteuid() != 0 || is.Uid != 0 || owner.Uid == 0 {
		return err
	}
	return dir.Chown(int(owner.Uid), int(owner.Gid))
}

// makeFolder makes a store's folder, and those that lead to it. What root makes in a
// folder of the relay's user belongs to that user, as what root makes in the store does.
func makeFolder(path string) error {
	parent := filepath.Clean(path)
	for !there(parent) {
		parent = filepath.Dir(parent)
	}
	if err := os.MkdirAll(path, 0o750); err != nil || os.Geteuid() != 0 {
		return err
	}
	var owner unix.Stat_t
	if err := unix.Stat(parent, &owner); err != nil {
		return fmt.Errorf("%s: %w", parent, err)
	}
	made, err := filepath.Rel(parent, path)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(parent) // whatever the owner does meanwhile, nothing outside is given
	if err != nil {
		return err
	}
	for ; made != "." && err == nil; made = filepath.Dir(made) {
		var dir *os.File
		if dir, err = root.OpenFile(made, openFolderFlags, 0); err == nil {
			err = errors.Join(giveFolder(dir, &owner), dir.Close())
		}
	}
	return errors.Join(err, root.Close())
}

// MayUse returns an error that says what to do if this process may not read and write
// a store's folder, or a file of the store in it, or one of also. That there is no
// folder is no error.
func MayUse(dir string, also ...string) error {
	if err := mayUse(dir, unix.R_OK|unix.W_OK|unix.X_OK); err != nil {
		return err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, f := range files {
		if f.Type().IsRegular() && (isOwn(f.Name()) || slices.Contains(also, f.Name())) && err == nil {
			err = mayUse(filepath.Join(dir, f.Name()), unix.R_OK|unix.W_OK)
		}
	}
	return err
}

// isOwn reports the name of a file of the store's, or of Badger's.
func isOwn(name string) bool {
	switch filepath.Ext(name) {
	case ".sst", ".vlog", ".mem":
		return true
	}
	return Holds(name) || strings.HasPrefix(name, "records.") || name == "DISCARD" || name == "KEYREGISTRY"
}

func mayUse(path string, how uint32) error {
	err := unix.Faccessat(unix.AT_FDCWD, path, how, unix.AT_EACCESS)
	switch {
	case err == nil || errors.Is(err, unix.ENOENT):
		return nil
	case !errors.Is(err, unix.EACCES):
		return fmt.Errorf("%s: %w", path, err)
	}
	var file unix.Stat_t
	if unix.Stat(path, &file) != nil {
		return fmt.Errorf("%s: %w: run moa as the relay's own user", path, err)
	}
	return fmt.Errorf("%s belongs to %s, and this moa runs as %s (%w): run it as the relay's own user, to whom the whole folder must belong (chown -R)",
		path, userName(int(file.Uid)), userName(os.Geteuid()), err)
}

func userName(id int) string {
	if u, err := user.LookupId(strconv.Itoa(id)); err == nil {
		return u.Username
	}
	return "user " + strconv.Itoa(id)
}
