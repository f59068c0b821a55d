// Package outfile writes files that appear, or are replaced, in one step once they
// are whole.
package outfile

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// File is a file being written. One that is regular appears, or is replaced,
// in one step and with mode 0600 once it is whole; what else has the name (a pipe,
// a device) is written to as it is, and stays.
type File struct {
	*os.File
	path string // that the file gets; "": it has it already
}

// Create begins to write path. A link stays, and what it leads to is written.
func Create(path string) (*File, error) {
	path, through, err := destination(path)
	if err != nil {
		return nil, err
	}
	if through {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &File{File: f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // with mode 0600
	return &File{File: f, path: path}, err
}

// Replaces reports a path at which Create replaces a file that has something in it.
func Replaces(path string) (bool, error) {
	path, through, err := destination(path)
	if err != nil || through {
		return false, err
	}
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && info.Size() > 0, err
}

// destination is where path leads to, and whether that is to be written as it
// is rather than replaced.
func destination(path string) (end string, through bool, err error) {
	const mostLinks = 40
	for range mostLinks {
		info, err := os.Lstat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return path, false, nil
		case err != nil:
			return "", false, err
		case info.Mode()&fs.ModeSymlink == 0:
			return path, !info.Mode().IsRegular(), nil
		case ofSystem(path): // such as /dev/stdout, whose file somebody has open
			return path, true, nil
		}
		next, err := os.Readlink(path)
		if err != nil {
			return "", false, err
		}
		if !filepath.IsAbs(next) {
			next = filepath.Join(filepath.Dir(path), next)
		}
		path = next
	}
	return "", false, &fs.PathError{Op: "open", Path: path, Err: errors.New("too many links")}
}

// ofSystem reports that the kernel makes what is at path, not a person.
func ofSystem(path string) bool {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return strings.HasPrefix(path, "/dev/") || strings.HasPrefix(path, "/proc/")
}

// Commit makes what was written durable and gives it its name.
func (f *File) Commit() error {
	if f.path == "" {
		return f.Close()
	}
	if err := errors.Join(f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), f.path); err != nil {
		return err
	}
	f.path = ""
	return nil
}

// Abandon removes what was written. After Commit it does nothing.
func (f *File) Abandon() {
	_ = f.Close() // it may be closed
	if f.path != "" {
		_ = os.Remove(f.Name())
	}
}

// Write makes or replaces a file with what write writes.
func Write(path string, write func(io.Writer) error) error {
	f, err := Create(path)
	if err != nil {
		return err
	}
	defer f.Abandon()
	if err := write(f); err != nil {
		return err
	}
	return f.Commit()
}

// WriteText is Write with a text.
func WriteText(path string, text []byte) error {
	return Write(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
