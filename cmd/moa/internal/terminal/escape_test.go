package terminal

import (
	"io"
	"strings"
	"testing"
)

func TestJSONOnATerminalStaysJSON(t *testing.T) {
	var b strings.Builder
	s := &jsonWriter{w: &b}
	for _, part := range []string{`{"content":"` + "a\u009b\u202e\x7f", "\xc2", "\x9b\xe2\x80", "\xaeü€", "\n"} {
		if n, err := io.WriteString(s, part); n != len(part) || err != nil {
			t.Fatal(n, err)
		}
	}
	if want := `{"content":"a\u009b\u202e\u007f\u009b\u202eü€` + "\n"; b.String() != want {
		t.Errorf("%q, want %q", b.String(), want)
	}
}
