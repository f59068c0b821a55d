package ws

import (
	"encoding/binary"
	"errors"

	"github.com/gobwas/ws"
)

// A server's frame header has at most 10 bytes.
const maxHeader = 10

const (
	finBit  = 0x80
	rsv1Bit = 0x40
	maskBit = 0x80
)

// appendHeader appends the header of a server's unfragmented frame.
func appendHeader(dst []byte, op ws.OpCode, deflated bool, length int) []byte {
	first := finBit | byte(op)
	if deflated {
		first |= rsv1Bit
	}
	switch {
	case length < 126:
		return append(dst, first, byte(length))
	case length < 1<<16:
		return binary.BigEndian.AppendUint16(append(dst, first, 126), uint16(length))
	default:
		return binary.BigEndian.AppendUint64(append(dst, first, 127), uint64(length))
	}
}

var errLength = errors.New("frame length not in its shortest form")

// parseHeader reads the header at the start of b. size is its length in bytes,
// 0 if b does not hold the whole of it.
func parseHeader(b []byte) (h ws.Header, size int, err error) {
	if len(b) < 2 {
		return h, 0, nil
	}
	h.Fin = b[0]&finBit != 0
	h.Rsv = b[0] >> 4 & 7
	h.OpCode = ws.OpCode(b[0] & 0xf)
	h.Masked = b[1]&maskBit != 0
	h.Length = int64(b[1] &^ maskBit)
	size = 2
	switch h.Length {
	case 126:
		if len(b) < 4 {
			return h, 0, nil
		}
		h.Length, size = int64(binary.BigEndian.Uint16(b[2:])), 4
		if h.Length < 126 {
			return h, 0, errLength
		}
	case 127:
		if len(b) < 10 {
			return h, 0, nil
		}
		h.Length, size = int64(binary.BigEndian.Uint64(b[2:])), 10
		if h.Length < 1<<16 { // the sign bit must be 0, too
			return h, 0, errLength
		}
	}
	if h.Masked {
		if len(b) < size+4 {
			return h, 0, nil
		}
		size += copy(h.Mask[:], b[size:size+4])
	}
	return h, size, nil
}

// checkHeader says what is wrong with a client's frame that comes while a
// message of the type open is under way (OpContinuation: none is).
func checkHeader(h ws.Header, open ws.OpCode, deflate bool) error {
	state := ws.StateServerSide
	if open != ws.OpContinuation {
		state |= ws.StateFragmented
	}
	// RSV1 marks the first frame of a deflated message (RFC 7692 section 6).
	if deflate && h.Rsv1() && (h.OpCode == ws.OpText || h.OpCode == ws.OpBinary) {
		h.Rsv &^= ws.Rsv(true, false, false)
	}
	return ws.CheckHeader(h, state)
}
