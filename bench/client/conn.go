// Package client is a small websocket client for load tests: it must cost the
// machine less than the relay under test does. It knows Nostr's messages only
// as far as it takes to hand them on cheaply.
package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gobwas/httphead"
	"github.com/gobwas/ws"

	"moa/nips/event"
	"moa/nips/wire"
)

// Options say how to connect. The zero Options will do.
type Options struct {
	// Source is the local IP address, "" for any.
	Source string
	// Compress offers permessage-deflate as browsers do.
	Compress bool
	// ReadBuffer is the size of the read buffer in bytes; 0: 4096.
	ReadBuffer int
	// SocketBuffer bounds the kernel's receive buffer in bytes; 0: as it comes.
	SocketBuffer int
	// Timeout bounds the whole handshake; 0: 10 s.
	Timeout time.Duration
}

// Handler takes what the relay says. Its methods are called one at a time by
// Serve; slices are valid until the method returns.
type Handler interface {
	// Event takes an EVENT: its subscription and its JSON object.
	Event(sub, raw []byte)
	// Reply takes every other message.
	Reply(r *wire.Reply)
	// Broken takes a message that is not Nostr's.
	Broken(frame []byte, err error)
}

// Conn is one connection to a relay.
type Conn struct {
	net     net.Conn
	in      *bufio.Reader
	inflate *inflater // nil: no compression agreed
	whole   []byte    // a message of several frames, or larger than in
	closing atomic.Bool
	forget  func() bool // stops waiting for the context's end

	mu  sync.Mutex // guards out and writes
	out []byte
}

// maxMessage is the largest message taken from a relay, in bytes.
const maxMessage = 64 << 20

// Dial connects to a ws or wss URL. The connection closes when ctx ends.
func Dial(ctx context.Context, url string, o Options) (*Conn, error) {
	d := ws.Dialer{Timeout: o.Timeout, ReadBufferSize: o.ReadBuffer, NetDial: o.dialer()}
	if d.Timeout == 0 {
		d.Timeout = 10 * time.Second
	}
	if o.Compress {
		d.Extensions = []httphead.Option{httphead.NewOption("permessage-deflate", map[string]string{"client_max_window_bits": ""})}
	}
	conn, rest, agreed, err := d.Dial(ctx, url)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	c := &Conn{net: conn, in: rest}
	if c.in == nil {
		size := o.ReadBuffer
		if size == 0 {
			size = 4096
		}
		c.in = bufio.NewReaderSize(conn, size)
	}
	for _, e := range agreed.Extensions {
		if string(e.Name) == "permessage-deflate" {
			_, fresh := e.Parameters.Get("server_no_context_takeover")
			c.inflate = &inflater{fresh: fresh}
		}
	}
	c.forget = context.AfterFunc(ctx, c.Close)
	return c, nil
}

func (o Options) dialer() func(ctx context.Context, network, addr string) (net.Conn, error) {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		var d net.Dialer
		if o.Source != "" {
			d.LocalAddr = &net.TCPAddr{IP: net.ParseIP(o.Source)}
		}
		conn, err := d.DialContext(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok && o.SocketBuffer > 0 {
			if err := tcp.SetReadBuffer(o.SocketBuffer); err != nil {
				conn.Close()
				return nil, err
			}
		}
		return conn, nil
	}
}

// Compressed reports whether permessage-deflate was agreed.
func (c *Conn) Compressed() bool { return c.inflate != nil }

// Close ends the connection at once. Serve then returns nil.
func (c *Conn) Close() {
	c.closing.Store(true)
	c.net.Close()
}

// Send writes messages with one system call. It waits while the relay does not
// read.
func (c *Conn) Send(messages ...[]byte) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range messages {
		c.append(ws.OpText, m)
	}
	return c.flushLocked()
}

// Publish writes an EVENT for each of the events with one system call.
func (c *Conn) Publish(events []*event.Event) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range events {
		const head, tail = `["EVENT",`, `]`
		c.out = appendHeader(c.out, ws.OpText, len(head)+len(e.Raw)+len(tail))
		c.out = append(c.out, head...)
		c.out = append(c.out, e.Raw...)
		c.out = append(c.out, tail...)
	}
	return c.flushLocked()
}

func (c *Conn) append(op ws.OpCode, payload []byte) {
	c.out = append(appendHeader(c.out, op, len(payload)), payload...)
}

func (c *Conn) flushLocked() error {
	_, err := c.net.Write(c.out)
	if c.out = c.out[:0]; cap(c.out) > 1<<20 {
		c.out = nil
	}
	return err
}

// appendHeader appends a client's frame header. The mask is there, as RFC 6455
// wants it, and is zero: it then changes nothing and costs nothing. It guards
// against scripts that forge proxy traffic, which a load test is not.
func appendHeader(dst []byte, op ws.OpCode, size int) []byte {
	dst = append(dst, 0x80|byte(op))
	switch {
	case size < 126:
		dst = append(dst, 0x80|byte(size))
	case size < 1<<16:
		dst = append(dst, 0x80|126, byte(size>>8), byte(size))
	default:
		dst = append(dst, 0x80|127, 0, 0, 0, 0, byte(size>>24), byte(size>>16), byte(size>>8), byte(size))
	}
	return append(dst, 0, 0, 0, 0)
}

// CloseError is how the relay closed the connection.
type CloseError struct {
	Code   int
	Reason string
}

func (e *CloseError) Error() string {
	return strings.TrimSuffix(fmt.Sprintf("closed by the relay: %d %s", e.Code, e.Reason), " ")
}

// Serve reads until the connection ends and hands on what comes. It returns
// nil if Close ended it, a *CloseError if the relay said goodbye.
func (c *Conn) Serve(h Handler) error {
	defer c.net.Close()
	defer c.forget()
	for {
		message, err := c.read()
		if err != nil {
			if c.closing.Load() {
				return nil
			}
			return err
		}
		dispatch(message, h)
	}
}

// dispatch takes the short way for EVENT as relays write it.
func dispatch(m []byte, h Handler) {
	const head = `["EVENT","`
	if len(m) > len(head) && string(m[:len(head)]) == head {
		rest := m[len(head):]
		end := bytes.IndexByte(rest, '"')
		if end >= 0 && len(rest) > end+4 && rest[end+1] == ',' && rest[end+2] == '{' &&
			m[len(m)-1] == ']' && m[len(m)-2] == '}' && bytes.IndexByte(rest[:end], '\\') < 0 {
			h.Event(rest[:end], rest[end+2:len(rest)-1])
			return
		}
	}
	r, err := wire.ParseReply(m)
	switch {
	case err != nil:
		h.Broken(m, err)
	case r.Verb == wire.Event:
		h.Event([]byte(r.SubID), r.Event)
	default:
		h.Reply(&r)
	}
}

// read returns the next message, valid until the next read.
func (c *Conn) read() ([]byte, error) {
	if c.whole = c.whole[:0]; cap(c.whole) > 1<<20 {
		c.whole = nil
	}
	started, compressed := false, false
	for {
		head, err := ws.ReadHeader(c.in)
		if err != nil {
			return nil, err
		}
		if head.Length > maxMessage || int64(len(c.whole))+head.Length > maxMessage {
			return nil, fmt.Errorf("the relay sent a frame of %d bytes", head.Length)
		}
		if head.OpCode.IsControl() {
			if err := c.control(head); err != nil {
				return nil, err
			}
			continue
		}
		if started == (head.OpCode != ws.OpContinuation) {
			return nil, errors.New("the relay sent fragments out of order")
		}
		if !started {
			started, compressed = true, head.Rsv1()
			if head.Fin && !compressed && head.Length <= int64(c.in.Size()) {
				return c.take(int(head.Length))
			}
		}
		if err := c.gather(int(head.Length)); err != nil {
			return nil, err
		}
		if !head.Fin {
			continue
		}
		if !compressed {
			return c.whole, nil
		}
		if c.inflate == nil {
			return nil, errors.New("the relay compresses, which was not agreed")
		}
		return c.inflate.message(c.whole)
	}
}

// take returns n bytes that stay in the read buffer.
func (c *Conn) take(n int) ([]byte, error) {
	b, err := c.in.Peek(n)
	if err != nil {
		return nil, err
	}
	c.in.Discard(n)
	return b, nil
}

// gather appends n bytes to the message.
func (c *Conn) gather(n int) error {
	at := len(c.whole)
	c.whole = append(c.whole, make([]byte, n)...)
	_, err := io.ReadFull(c.in, c.whole[at:])
	return err
}

func (c *Conn) control(head ws.Header) error {
	payload := make([]byte, head.Length)
	if _, err := io.ReadFull(c.in, payload); err != nil {
		return err
	}
	switch head.OpCode {
	case ws.OpPing:
		c.mu.Lock()
		defer c.mu.Unlock()
		c.append(ws.OpPong, payload)
		return c.flushLocked()
	case ws.OpClose:
		code, text := ws.ParseCloseFrameData(payload)
		return &CloseError{Code: int(code), Reason: text}
	}
	return nil
}
