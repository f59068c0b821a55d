//go:build unix && !linux

package ws

import "syscall"

func writeNow(fd int, p []byte) (int, error) { return syscall.Write(fd, p) }
