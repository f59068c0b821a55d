package transfer

import (
	"bufio"
	"bytes"
	"errors"
	"io"
)

// A file that is one JSON array of events, or events over several lines each,
// is read value by value instead of line by line.

// spread reports that a text is so written, by its beginning.
func spread(text *bufio.Reader) bool {
	head, _ := text.Peek(256)
	head = bytes.TrimLeft(head, " \t\r\n")
	if len(head) == 0 {
		return false
	}
	inside := bytes.TrimLeft(head[1:], " \t\r")
	switch head[0] {
	case '{':
		return len(inside) > 0 && inside[0] == '\n'
	case '[':
		inside = bytes.TrimLeft(inside, "\n \t\r")
		return len(inside) > 0 && inside[0] != '"'
	}
	return false
}

// nextValue returns the next object, without what arrays put around it, or what
// is left of a line that has none.
func (in *Input) nextValue() (value []byte, line int64, err error) {
	var c byte
	for quoted := false; ; { // what messages have before an event is passed over
		if c, err = in.take(); err != nil {
			return nil, 0, err
		}
		if c == '"' {
			quoted = !quoted
		} else if !quoted && !bytes.ContainsRune([]byte(" \t\r\n[],"), rune(c)) {
			break
		}
	}
	line = in.line
	if c != '{' {
		value, err = in.restOfLine(c)
		return value, line, err
	}
	depth, quoted, escaped := 0, false, false
	for {
		if len(value) <= MaxLineBytes {
			value = append(value, c)
		}
		switch {
		case escaped:
			escaped = false
		case quoted:
			quoted, escaped = c != '"', c == '\\'
		case c == '"':
			quoted = true
		case c == '{', c == '[':
			depth++
		case c == '}', c == ']':
			depth--
		}
		if depth == 0 {
			break
		}
		if c, err = in.take(); err != nil {
			if errors.Is(err, io.EOF) {
				err = nil // it is cut off, and told as such
			}
			break
		}
	}
	if len(value) > MaxLineBytes {
		return nil, line, ErrLongLine
	}
	return value, line, err
}

func (in *Input) restOfLine(c byte) (rest []byte, err error) {
	for ; err == nil && c != '\n'; c, err = in.take() {
		if len(rest) < MaxLineBytes {
			rest = append(rest, c)
		}
	}
	if errors.Is(err, io.EOF) {
		err = nil
	}
	return bytes.TrimSpace(rest), err
}

// take reads a byte.
func (in *Input) take() (byte, error) {
	if in.begun {
		in.line, in.begun = in.line+1, false
	}
	c, err := in.text.ReadByte()
	if err == nil {
		in.at++
		in.begun = c == '\n'
	}
	return c, err
}
