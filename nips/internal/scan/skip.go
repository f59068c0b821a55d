package scan

import "unicode/utf8"

// Skip consumes any one value and returns its text.
func (s *Scanner) Skip() ([]byte, error) {
	s.Space()
	start := s.Pos
	var open [MaxDepth]byte // the closing brackets awaited
	depth := 0
	for {
		switch c := s.Peek(); c {
		case '[', '{':
			if depth == MaxDepth {
				return nil, ErrDepth
			}
			s.Pos++
			open[depth] = c + 2 // ASCII: ']' and '}' stand two after their openers
			depth++
			if s.Take(open[depth-1]) {
				depth--
				break // an empty one is a complete value
			}
			if c == '{' {
				if err := s.key(); err != nil {
					return nil, err
				}
			}
			continue
		default:
			if err := s.scalar(c); err != nil {
				return nil, err
			}
		}
		// A value is complete: close what ends here, or go on to the next one.
		for depth > 0 && s.Take(open[depth-1]) {
			depth--
		}
		if depth == 0 {
			return s.Text[start:s.Pos], nil
		}
		if !s.Take(',') {
			return nil, ErrSyntax
		}
		if open[depth-1] == '}' {
			if err := s.key(); err != nil {
				return nil, err
			}
		}
	}
}

func (s *Scanner) key() error {
	if _, err := s.String(); err != nil {
		return err
	}
	if !s.Take(':') {
		return ErrSyntax
	}
	return nil
}

func (s *Scanner) scalar(c byte) error {
	switch {
	case c == '"':
		_, err := s.String()
		return err
	case c == 't':
		return s.word("true")
	case c == 'f':
		return s.word("false")
	case c == 'n':
		return s.word("null")
	case c == '-' || ('0' <= c && c <= '9'):
		return s.number()
	}
	return ErrSyntax
}

func (s *Scanner) word(w string) error {
	if len(s.Text)-s.Pos < len(w) || string(s.Text[s.Pos:s.Pos+len(w)]) != w {
		return ErrSyntax
	}
	s.Pos += len(w)
	return nil
}

// number consumes a number of RFC 8259, section 6.
func (s *Scanner) number() error {
	at := func() byte {
		if s.Pos < len(s.Text) {
			return s.Text[s.Pos]
		}
		return 0
	}
	digits := func() bool {
		start := s.Pos
		for '0' <= at() && at() <= '9' {
			s.Pos++
		}
		return s.Pos > start
	}
	if at() == '-' {
		s.Pos++
	}
	if at() == '0' {
		s.Pos++
	} else if !digits() {
		return ErrSyntax
	}
	if at() == '.' {
		s.Pos++
		if !digits() {
			return ErrSyntax
		}
	}
	if at() == 'e' || at() == 'E' {
		s.Pos++
		if at() == '+' || at() == '-' {
			s.Pos++
		}
		if !digits() {
			return ErrSyntax
		}
	}
	return nil
}

// AppendUnquoted appends the characters that str stands for. str must come
// from String.
func AppendUnquoted(dst []byte, str Str) []byte {
	b := str.Raw
	for len(b) > 0 {
		if b[0] != '\\' {
			n := plain(b)
			dst, b = append(dst, b[:n]...), b[n:]
			continue
		}
		n := 2
		switch b[1] {
		case 'b':
			dst = append(dst, '\b')
		case 'f':
			dst = append(dst, '\f')
		case 'n':
			dst = append(dst, '\n')
		case 'r':
			dst = append(dst, '\r')
		case 't':
			dst = append(dst, '\t')
		case 'u':
			var r rune
			r, n = unicodeEscape(b)
			dst = utf8.AppendRune(dst, r)
		default: // the quote, the backslash, the slash
			dst = append(dst, b[1])
		}
		b = b[n:]
	}
	return dst
}

// AppendQuoted appends v as JSON. Control characters that have no short escape
// are written \u00XX, as JSON demands.
func AppendQuoted(dst []byte, v string) []byte { return appendQuoted(dst, v, true) }

// AppendHashed appends v the way the id of an event is computed (NIP-01): only
// \n \" \\ \r \t \b \f are escaped, every other character stands as it is.
func AppendHashed(dst []byte, v string) []byte { return appendQuoted(dst, v, false) }

func appendQuoted(dst []byte, v string, escapeControls bool) []byte {
	const hexDigits = "0123456789abcdef"
	dst = append(dst, '"')
	start := 0
	for i := range len(v) {
		c := v[i]
		if c >= 0x20 && c != '"' && c != '\\' {
			continue
		}
		var esc byte
		switch c {
		case '"', '\\':
			esc = c
		case '\n':
			esc = 'n'
		case '\r':
			esc = 'r'
		case '\t':
			esc = 't'
		case '\b':
			esc = 'b'
		case '\f':
			esc = 'f'
		default:
			if !escapeControls {
				continue
			}
		}
		dst = append(dst, v[start:i]...)
		start = i + 1
		if esc != 0 {
			dst = append(dst, '\\', esc)
		} else {
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		}
	}
	dst = append(dst, v[start:]...)
	return append(dst, '"')
}
