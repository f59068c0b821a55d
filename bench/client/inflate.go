package client

import (
	"bytes"
	"compress/flate"
	"errors"
	"io"
)

// inflater undoes permessage-deflate (RFC 7692).
type inflater struct {
	fresh  bool   // the relay forgets its window after every message
	window []byte // the last 32 KB of text
	reader io.ReadCloser
	text   bytes.Buffer
}

// window is as far as deflate looks back, in bytes.
const window = 32 << 10

// tail is what the sender cut off every message, and an empty last block.
const tail = "\x00\x00\xff\xff\x01\x00\x00\xff\xff"

// message returns the text of one message, valid until the next.
func (f *inflater) message(compressed []byte) ([]byte, error) {
	in := io.MultiReader(bytes.NewReader(compressed), bytes.NewReader([]byte(tail)))
	if f.reader == nil {
		f.reader = flate.NewReader(in)
	} else if err := f.reader.(flate.Resetter).Reset(in, f.window); err != nil {
		return nil, err
	}
	f.text.Reset()
	if _, err := io.Copy(&f.text, io.LimitReader(f.reader, maxMessage)); err != nil {
		return nil, err
	}
	if f.text.Len() == maxMessage {
		return nil, errors.New("the relay sent a message that inflates beyond measure")
	}
	if !f.fresh {
		f.window = append(f.window, f.text.Bytes()...)
		if extra := len(f.window) - window; extra > 0 {
			f.window = append(f.window[:0], f.window[extra:]...)
		}
	}
	return f.text.Bytes(), nil
}
