package main

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// outFile is a file being written. One that is regular appears, or is replaced,
// in one step and with mode 0600 once it is whole; what else has the name (a pipe,
// a device) is written to as it is, and stays.
type outFile struct {
	*os.File
	path string // that the file gets; "": it has it already
}

// createOut begins to write path. A link stays, and what it leads to is written.
func createOut(path string) (*outFile, error) {
	path, through, err := destination(path)
	if err != nil {
		return nil, err
	}
	if through {
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		return &outFile{File: f}, err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.part") // with mode 0600
	return &outFile{File: f, path: path}, err
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

// commit makes what was written durable and gives it its name.
func (f *outFile) commit() error {
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

// abandon removes what was written. After commit it does nothing.
func (f *outFile) abandon() {
	_ = f.Close() // it may be closed
	if f.path != "" {
		_ = os.Remove(f.Name())
	}
}

// writeFile makes or replaces a file with what write writes.
func writeFile(path string, write func(io.Writer) error) error {
	f, err := createOut(path)
	if err != nil {
		return err
	}
	defer f.abandon()
	if err := write(f); err != nil {
		return err
	}
	return f.commit()
}

// writeText is writeFile with a text.
func writeText(path string, text []byte) error {
	return writeFile(path, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
