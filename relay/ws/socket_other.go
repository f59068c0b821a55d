//go:build !unix

package ws

import (
	"net"
	"syscall"
)

// Elsewhere every connection is read and written the plain way.
func rawConn(net.Conn) syscall.RawConn { return nil }
func (c *Conn) tryRead(uintptr) bool   { return true }
func fdOf(syscall.RawConn) int32       { return -1 }
func (r *Rest) writeOnce()             {}
