package khatru

import (
	"bytes"
	"io"
	"net"
	"sync"
	"time"

	"github.com/gobwas/ws"
)

// memConn is the network end of a minted WebSocket: there is nothing to read,
// and what is written is decoded from a server's frames. Text messages go to
// send; a relay has no others to say, and a close is the engine's to send.
type memConn struct {
	send func(message []byte) // keeps message

	mu       sync.Mutex // guards the following
	accepted bool       // the handshake's answer has gone by
	buf      bytes.Buffer
	message  []byte // of the frames so far
	op       ws.OpCode
}

func (c *memConn) Read([]byte) (int, error) { return 0, io.EOF }

func (c *memConn) Write(p []byte) (int, error) {
	for _, m := range c.take(p) {
		c.send(m)
	}
	return len(p), nil
}

// take returns the messages that p completes.
func (c *memConn) take(p []byte) (messages [][]byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf.Write(p)
	if !c.accepted {
		i := bytes.Index(c.buf.Bytes(), []byte("\r\n\r\n"))
		if i < 0 {
			return nil
		}
		c.buf.Next(i + 4)
		c.accepted = true
	}
	for {
		rest := bytes.NewReader(c.buf.Bytes())
		h, err := ws.ReadHeader(rest)
		if err != nil || int64(rest.Len()) < h.Length {
			return messages // not whole yet
		}
		c.buf.Next(c.buf.Len() - rest.Len())
		if m := c.frame(h, c.buf.Next(int(h.Length))); m != nil {
			messages = append(messages, m)
		}
	}
}

// frame adds a frame to the message that it is a part of, and returns that one
// if it is whole.
func (c *memConn) frame(h ws.Header, payload []byte) []byte {
	if h.OpCode.IsControl() {
		return nil
	}
	if h.OpCode != ws.OpContinuation {
		c.op = h.OpCode
	}
	c.message = append(c.message, payload...)
	if !h.Fin {
		return nil
	}
	m := bytes.TrimRight(c.message, "\n") // which an encoder of JSON appends
	c.message = nil
	if c.op != ws.OpText {
		return nil
	}
	return m
}

// handshaken reports that the handshake was answered.
func (c *memConn) handshaken() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.accepted
}

func (c *memConn) Close() error                     { return nil }
func (c *memConn) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *memConn) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *memConn) SetDeadline(time.Time) error      { return nil }
func (c *memConn) SetReadDeadline(time.Time) error  { return nil }
func (c *memConn) SetWriteDeadline(time.Time) error { return nil }
