package badgerstore

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync makes durable what was written to the file, and of what the system
// knows about it only what is needed to read it back.
func datasync(f *os.File) error { return unix.Fdatasync(int(f.Fd())) }
