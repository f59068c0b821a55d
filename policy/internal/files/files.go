// Package files tells whether a file is still the one that was read.
package files

import "os"

// Version is what a file was when it was looked at. The zero Version is that
// of no file, and the same as no other.
type Version struct{ info os.FileInfo }

// Look returns the version of the file that path leads to now.
func Look(path string) (Version, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Version{}, err
	}
	return Version{info}, nil
}

// Size in bytes.
func (v Version) Size() int64 { return v.info.Size() }

// Same reports whether both are one version. Time and size alone do not tell:
// the clocks of filesystems tick every few milliseconds, so a file that
// replaces one just written can have its time.
func (v Version) Same(o Version) bool {
	return v.info != nil && o.info != nil && os.SameFile(v.info, o.info) &&
		v.info.Size() == o.info.Size() && v.info.ModTime().Equal(o.info.ModTime())
}
