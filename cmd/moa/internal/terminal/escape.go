// Package terminal is about the person at the other end of a program's output: what
// is shown to this person is escaped, for people and relays elsewhere may have written
// what a terminal obeys, and a bar moves while it is made.
package terminal

import (
	"encoding/json"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Line is a text on one line.
func Line(text string) string {
	const most = 300
	if runes := []rune(text); len(runes) > most {
		text = string(runes[:most]) + "…"
	}
	return strings.Trim(strconv.Quote(text), `"`)
}

// Lines is a text of several lines.
func Lines(text string) string {
	return string(appendEscaped(nil, []byte(text)))
}

// Writer escapes what is written to a report of several lines. A character
// may not be written in two parts.
type Writer struct{ io.Writer }

func (w Writer) Write(p []byte) (int, error) {
	if _, err := w.Writer.Write(appendEscaped(nil, p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// ForJSON is w itself, unless it is a terminal: there JSON is shown with the
// escapes of JSON, so that it stays what it is.
func ForJSON(w io.Writer) io.Writer {
	if !Is(w) {
		return w
	}
	return &jsonWriter{w: w}
}

// jsonWriter escapes JSON, which cannot have but in strings what is escaped.
type jsonWriter struct {
	w    io.Writer
	rest []byte // the beginning of a character
}

func (s *jsonWriter) Write(p []byte) (int, error) {
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
	if _, err := s.w.Write(appendEscaped(nil, all[:whole])); err != nil {
		return 0, err
	}
	return len(p), nil
}

// appendEscaped appends text with \u escapes for what a terminal would obey.
func appendEscaped(dst, text []byte) []byte {
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

// PrintJSON writes a value for a program.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
