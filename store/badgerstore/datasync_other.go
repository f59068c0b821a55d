//go:build !linux

package badgerstore

import "os"

// datasync makes durable what was written to the file.
func datasync(f *os.File) error { return f.Sync() }
