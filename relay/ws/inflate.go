package ws

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

type inflater struct {
	io.ReadCloser // is a flate.Resetter, too
	src           bytes.Reader
	in            []byte
}

var inflaters = sync.Pool{New: func() any {
	d := new(inflater)
	d.ReadCloser = flate.NewReader(&d.src)
	return d
}}

// messageEnd is what a message omits, and an empty last block that makes the
// inflater stop.
const messageEnd = syncMark + "\x01\x00\x00\xff\xff"

// inflate returns the message of at most most bytes, and the buffer that it
// lies in, for the caller to release. Memory grows with what has come out.
func inflate(p []byte, most int) (*buffer, []byte, error) {
	d := inflaters.Get().(*inflater)
	defer inflaters.Put(d)
	d.in = append(append(d.in[:0], p...), messageEnd...)
	d.src.Reset(d.in)
	if cap(d.in) > largeSize {
		d.in = nil // src has it until the next message
	}
	d.ReadCloser.(flate.Resetter).Reset(&d.src, nil) // never fails

	out := takeBuffer(4 * len(p))
	for n := 0; ; {
		if n == len(out.b) {
			out = out.grow(out.b, most+1) // one byte more is too many
		}
		got, err := d.Read(out.b[n:])
		n += got
		switch {
		case n > most:
			out.release()
			return nil, nil, errTooBig
		case err == io.EOF:
			return out, out.b[:n:n], nil
		case err != nil:
			out.release()
			return nil, nil, &violation{BadData, "message is not valid deflate"}
		}
	}
}
