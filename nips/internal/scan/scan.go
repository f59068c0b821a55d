// Package scan reads JSON from a byte slice in one pass, strictly and without
// allocating. It knows nothing of Nostr: package event and package wire say
// which values they expect where.
package scan

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math/bits"
	"slices"
	"strconv"
	"strings"
)

// MaxDepth is how deep a value that nobody looks at may nest before it is
// refused. It bounds the work of Skip, not the stack: Skip does not recurse.
const MaxDepth = 64

var (
	ErrSyntax  = errors.New("not valid JSON")
	ErrDepth   = errors.New("nested too deeply")
	ErrNumber  = errors.New("not a number of the expected form")
	ErrLarge   = errors.New("number too large")
	errControl = errors.New("unescaped control character in a string")
	errEscape  = errors.New("bad escape in a string")
)

// Scanner is a position in a JSON text. The zero Scanner reads an empty text.
type Scanner struct {
	Text   []byte
	Pos    int
	Spaced bool // white space has been skipped: the text is not compact
}

// Space skips white space.
func (s *Scanner) Space() {
	for s.Pos < len(s.Text) {
		switch s.Text[s.Pos] {
		case ' ', '\t', '\n', '\r':
			s.Spaced = true
			s.Pos++
		default:
			return
		}
	}
}

// Peek skips white space and returns the next byte, or 0 at the end.
func (s *Scanner) Peek() byte {
	s.Space()
	if s.Pos < len(s.Text) {
		return s.Text[s.Pos]
	}
	return 0
}

// Take skips white space and consumes the byte c, or reports that it is not there.
func (s *Scanner) Take(c byte) bool {
	if s.Peek() != c {
		return false
	}
	s.Pos++
	return true
}

// End reports that only white space is left.
func (s *Scanner) End() bool { return s.Peek() == 0 && s.Pos >= len(s.Text) }

// Str is a JSON string as it stands in the text.
type Str struct {
	Raw       []byte // between the quotes, escapes and all
	Escaped   bool   // Raw holds an escape
	Canonical bool   // Raw is exactly how NIP-01 escapes this string
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain returns how many of the leading bytes of b need no attention: no quote,
// no backslash, no control character. It looks at eight bytes a step (SWAR: a
// byte's high bit is set where it equals the sought one or is below 0x20).
func plain(b []byte) int {
	n := 0
	for len(b) >= 8 {
		w := binary.LittleEndian.Uint64(b)
		quote := w ^ (ones * '"')
		slash := w ^ (ones * '\\')
		hit := ((quote - ones) &^ quote) | ((slash - ones) &^ slash) | ((w - ones*0x20) &^ w)
		if hit &= highs; hit != 0 {
			return n + bits.TrailingZeros64(hit)/8
		}
		b, n = b[8:], n+8
	}
	for _, c := range b {
		if c == '"' || c == '\\' || c < 0x20 {
			break
		}
		n++
	}
	return n
}

// String consumes a string. It does not look at UTF-8: the caller checks the
// whole text once.
func (s *Scanner) String() (Str, error) {
	if !s.Take('"') {
		return Str{}, ErrSyntax
	}
	str := Str{Canonical: true}
	start := s.Pos
	for {
		s.Pos += plain(s.Text[s.Pos:])
		if s.Pos >= len(s.Text) {
			return Str{}, ErrSyntax
		}
		switch s.Text[s.Pos] {
		case '"':
			str.Raw = s.Text[start:s.Pos]
			s.Pos++
			return str, nil
		case '\\':
			n, canonical := escape(s.Text[s.Pos:])
			if n == 0 {
				return Str{}, errEscape
			}
			str.Escaped = true
			str.Canonical = str.Canonical && canonical
			s.Pos += n
		default:
			return Str{}, errControl
		}
	}
}

// escape returns the length of the escape at the start of b, 0 if it is not
// one, and whether NIP-01 writes that character so. A surrogate pair is one
// escape; half of one is none, for it stands for no character.
func escape(b []byte) (n int, canonical bool) {
	if len(b) < 2 {
		return 0, false
	}
	switch b[1] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		return 2, true
	case '/':
		return 2, false
	case 'u':
		r, n := unicodeEscape(b)
		if r < 0 {
			return 0, false
		}
		return n, false
	}
	return 0, false
}

// unicodeEscape decodes \uXXXX or a pair of them; r is -1 if it is malformed.
func unicodeEscape(b []byte) (r rune, n int) {
	hi := hex4(b)
	switch {
	case hi < 0:
		return -1, 0
	case hi < 0xd800 || hi > 0xdfff:
		return hi, 6
	case hi > 0xdbff || len(b) < 12:
		return -1, 0
	}
	lo := hex4(b[6:])
	if lo < 0xdc00 || lo > 0xdfff {
		return -1, 0
	}
	return 0x10000 + (hi-0xd800)<<10 + (lo - 0xdc00), 12
}

func hex4(b []byte) rune {
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return -1
	}
	var r rune
	for _, c := range b[2:6] {
		switch {
		case '0' <= c && c <= '9':
			r = r<<4 | rune(c-'0')
		case 'a' <= c && c <= 'f':
			r = r<<4 | rune(c-'a'+10)
		case 'A' <= c && c <= 'F':
			r = r<<4 | rune(c-'A'+10)
		default:
			return -1
		}
	}
	return r
}

// MaxDigits is the largest number that Digits returns: eighteen nines.
const MaxDigits = 1e18 - 1

// Digits consumes an unsigned integer without sign, fraction, exponent or
// leading zero. One above MaxDigits is consumed and is ErrLarge.
func (s *Scanner) Digits() (int64, error) {
	s.Space()
	start := s.Pos
	var n uint64
	for s.Pos < len(s.Text) && '0' <= s.Text[s.Pos] && s.Text[s.Pos] <= '9' {
		n = min(n*10+uint64(s.Text[s.Pos]-'0'), MaxDigits+1)
		s.Pos++
	}
	if s.Pos == start || (s.Text[start] == '0' && s.Pos-start > 1) {
		return 0, ErrNumber
	}
	if s.Pos < len(s.Text) {
		switch s.Text[s.Pos] {
		case '.', 'e', 'E':
			return 0, ErrNumber
		}
	}
	if n > MaxDigits {
		return 0, ErrLarge
	}
	return int64(n), nil
}

// Whole consumes a number without a sign that is whole, however JSON writes it:
// 10, 10.0, 1e1. One above MaxDigits is consumed and is ErrLarge.
func (s *Scanner) Whole() (int64, error) {
	start := s.Pos
	n, err := s.Digits()
	if err != ErrNumber {
		return n, err
	}
	s.Pos = start
	s.Space()
	start = s.Pos
	if s.number() != nil || s.Text[start] == '-' {
		return 0, ErrNumber
	}
	return whole(s.Text[start:s.Pos])
}

// whole returns the value of a JSON number without a sign.
func whole(text []byte) (int64, error) {
	mantissa, exponent, _ := bytes.Cut(bytes.ToLower(text), []byte("e"))
	before, after, _ := bytes.Cut(mantissa, []byte("."))
	after = bytes.TrimRight(after, "0")
	digits := bytes.TrimLeft(slices.Concat(before, after), "0")
	if len(digits) == 0 {
		return 0, nil
	}
	shift := 0 // how many places the digits are to be moved up; as good as endless from 1e6 on
	if len(exponent) > 0 {
		shift, _ = strconv.Atoi(string(exponent)) // out of range: the nearest number
		shift = max(-1e6, min(shift, 1e6))
	}
	shift -= len(after)
	for shift < 0 && len(digits) > 0 && digits[len(digits)-1] == '0' {
		digits, shift = digits[:len(digits)-1], shift+1
	}
	switch {
	case shift < 0:
		return 0, ErrNumber
	case len(digits)+shift > 18:
		return 0, ErrLarge
	}
	n, _ := strconv.ParseInt(string(digits)+strings.Repeat("0", shift), 10, 64)
	return n, nil
}
