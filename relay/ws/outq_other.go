//go:build !linux

package ws

import "syscall"

// unacknowledged is known on Linux only.
func unacknowledged(syscall.RawConn) uint32 { return 0 }
