package main

import (
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// What people and relays elsewhere have written may hold what a terminal obeys:
// it is shown escaped.

// shown is a text on one line.
func shown(text string) string {
	const most = 300
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strings.Trim(strconv.Quote(text), `"`)
}

// shownLines is a text of several lines.
func shownLines(text string) string {
	return string(appendShown(nil, []byte(text)))
}

// shownWriter escapes what is written to a report of several lines. A character
// may not be written in two parts.
type shownWriter struct{ io.Writer }

func (w shownWriter) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(appendShown(nil, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// shownOn is w itself, unless it is a terminal: there JSON is shown with the
// escapes of JSON, so that it stays what it is.
func shownOn(w io.Writer) io.Writer {
	if !isTerminal(w) {
		return w
	}
	return &shownJSON{w: w}
}

// shownJSON escapes JSON, which cannot have but in strings what is escaped.
type shownJSON struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

func (s *shownJSON) Write(p []byte) (int, error) {
	all := append(s.rest, p...)
	whole := len(all)
	for n := 1; n < utf8.UTFMax && n <= len(all); n++ {
		if tail := all[len(all)-n:]; utf8.RuneStart(tail[0]) {
			if !utf8.FullRune(tail) {
				whole -= n
			}
			break
		}
	}
	s.rest = append([]byte(nil), all[whole:]...)
	if _, err := s.w.Write(appendShown(nil, all[:whole])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// appendShown appends text with \u escapes for what a terminal would obey.
func appendShown(dst, text []byte) []byte {
	for len(text) > 0 {
		r, n := utf8.DecodeRune(text)
		switch {
		case r == '\n' || r == '\t', !commands(r) && (r != utf8.RuneError || n > 1):
			dst = append(dst, text[:n]...)
		case r == utf8.RuneError && n == 1:
			dst = append(dst, `\ufffd`...)
		default:
			const hex = "0123456789abcdef"
			dst = append(dst, '\\', 'u', hex[r>>12&15], hex[r>>8&15], hex[r>>4&15], hex[r&15])
		}
		text = text[n:]
	}
	return dst
}

// commands reports a control character, or one that turns the direction of the
// text. All of them have four digits.
func commands(r rune) bool {
	return unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r)
}
