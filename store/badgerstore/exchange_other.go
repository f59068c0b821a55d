//go:build !linux

package badgerstore

import "golang.org/x/sys/unix"

// exchange would have two names change places, which not every system can.
func exchange(string, string) error { return unix.ENOSYS }
