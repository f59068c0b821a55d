package ws

import (
	"bytes"
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/klauspost/compress/flate"
)

// Body is an event's bytes, shared by all that receive it. Its deflated form is
// made at most once, when the first connection that negotiated compression
// sends it. A deflated message is put together from
//
//	00 LEN NLEN head       a stored block (RFC 1951 section 3.2.4), each receiver's own
//	deflate(Raw + "]")     byte-aligned by a sync flush, without the last 00 00 ff ff
//
// which an inflater without context reads as Head + Raw + "]".
type Body struct {
	Raw []byte // immutable
	// Waits is how often the body waits in a queue whose length is charged. It
	// belongs to the users of the body, who share it.
	Waits atomic.Int32

	once   sync.Once
	shared []byte
}

const (
	// Shorter events are ids, keys and a signature: they shrink by a tenth.
	minDeflate = 512
	// A stored block's header and how much it may hold.
	storedHeader = 5
	maxStored    = 1<<16 - 1
	// What a sync flush ends with and a message omits (RFC 7692 section 7.2.1).
	syncMark = "\x00\x00\xff\xff"
	// Of the levels of klauspost's deflate, 3 brings real events of 512 bytes
	// and more to 60 % in 14 us on the machine where 1 brings them to 63 % in
	// 10 us and 7 to 57 % in 36 us.
	level = 3
)

// deflated returns Raw and tail for a message's end, nil if it goes out plain.
func (b *Body) deflated() []byte {
	if len(b.Raw) < minDeflate {
		return nil
	}
	b.once.Do(func() {
		if d := deflate(b.Raw); len(d)+storedHeader < len(b.Raw) {
			b.shared = d
		}
	})
	return b.shared
}

// appendStored appends the header of a stored block of n bytes.
func appendStored(dst []byte, n int) []byte {
	dst = append(dst, 0) // not the last block; stored
	dst = binary.LittleEndian.AppendUint16(dst, uint16(n))
	return binary.LittleEndian.AppendUint16(dst, ^uint16(n))
}

type deflater struct {
	*flate.Writer
	out bytes.Buffer
}

var deflaters = sync.Pool{New: func() any {
	d := new(deflater)
	d.Writer, _ = flate.NewWriter(&d.out, level) // fails for an unknown level only
	return d
}}

func deflate(raw []byte) []byte {
	d := deflaters.Get().(*deflater)
	defer deflaters.Put(d)
	d.out.Reset()
	d.Reset(&d.out)
	d.Write(raw) // to memory: never fails
	d.Write(tail)
	d.Flush()
	return bytes.Clone(bytes.TrimSuffix(d.out.Bytes(), []byte(syncMark)))
}
