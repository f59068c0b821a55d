package ws

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"
)

// Write of a shared body, and what net.Buffers would cost in its place.
func BenchmarkWrite(b *testing.B) {
	for _, n := range []int{1, 50} {
		for _, size := range []int{700, 1400, 8000} {
			msgs := slices.Repeat([]Msg{{Head: []byte(`["EVENT","subscription",`), Body: &Body{Raw: []byte(note(size))}}}, n)
			run := func(how string, deflate bool, write func(*Conn)) {
				b.Run(fmt.Sprintf("msgs=%d/size=%d/%s", n, size, how), func(b *testing.B) {
					c, nc := pair(b, nil, deflate)
					discard(b, nc)
					b.ReportAllocs()
					for b.Loop() {
						write(c)
					}
					b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/msg")
				})
			}
			run("copied", false, func(c *Conn) { c.Write(msgs) })
			run("deflated", true, func(c *Conn) { c.Write(msgs) })
			headers, parts := make([][maxHeader]byte, n), make(net.Buffers, 0, 4*n)
			run("vector", false, func(c *Conn) {
				vec := parts
				for i, m := range msgs {
					header := appendHeader(headers[i][:0], 1, false, len(m.Head)+len(m.Body.Raw)+1)
					vec = append(vec, header, m.Head, m.Body.Raw, tail)
				}
				c.conn.SetWriteDeadline(time.Now().Add(time.Second))
				vec.WriteTo(c.conn)
			})
		}
	}
}

// A client that publishes as fast as it can.
func BenchmarkRead(b *testing.B) {
	for _, size := range []int{300, 1400, 30_000} {
		b.Run(fmt.Sprintf("size=%d", size), func(b *testing.B) {
			c, nc := pair(b, nil, false)
			many := slices.Repeat(frame(0x81, note(size)), 1+100_000/size)
			done := make(chan struct{})
			go func() {
				defer close(done)
				for {
					if _, err := nc.Write(many); err != nil {
						return
					}
				}
			}()
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Read(); err != nil {
					b.Fatal(err)
				}
			}
			c.CloseNow()
			<-done
		})
	}
}
