package scan_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"moa/nips/internal/scan"
)

var texts = []string{
	``, ` `, `null`, `true`, `false`, `nul`, `nulll`, `0`, `-0`, `-`, `01`, `1.`, `1.5e+10`, `1e`, `.5`, `1e999`, `+1`,
	`""`, `"a`, `"a\"b\\c\/d\b\f\n\r\t"`, `"\u00e9\ud83d\ude00"`, `"\ud800"`, `"\ud800x"`, `"\ud800\u0041"`, `"\udc00"`, `"\u12"`, `"\x"`, `"\`,
	"\"\x01\"", "\"\x7f\"", "\"\xff\"", `"0123456789abcdef"`, `"0123456\"89abcdef"`, "\"0123456\n\"",
	`[]`, `{}`, `[ ]`, `[1,[2,{"a":[]}],"x"]`, `[1,]`, `[,]`, `[1 2]`, `{"a":1,"a":2}`, `{"a"}`, `{"a":}`, `{1:2}`, `{"a":1,}`, `[}`, `[[]`, `]`,
	"\t[\r\n1 ]\n", `[1]x`, `1 2`, "[\x00]", "\xef\xbb\xbf[]",
	strings.Repeat("[", 64) + strings.Repeat("]", 64), strings.Repeat("[", 65) + strings.Repeat("]", 65),
	strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64),
}

// Skip takes what encoding/json takes, but for what nests too deeply and for
// halves of surrogate pairs, which stand for no character.
func FuzzSkipAgreesWithEncodingJSON(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := scan.Scanner{Text: text}
		value, err := s.Skip()
		ok := err == nil && s.End()
		switch valid := json.Valid(text); {
		case ok == valid:
		case ok:
			t.Fatalf("%q is not JSON", text)
		case !errors.Is(err, scan.ErrDepth) && !strings.Contains(strings.ToLower(string(text)), `\ud`):
			t.Fatalf("%q is JSON: %v", text, err)
		}
		if ok && string(value) != strings.Trim(string(text), " \t\r\n") {
			t.Fatalf("%q of %q", value, text)
		}
	})
}

// A string means to us what it means to encoding/json, and what is quoted means
// itself. Canonical is told exactly.
func FuzzStringsAgreeWithEncodingJSON(f *testing.F) {
	for _, s := range texts {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if !utf8.Valid(text) {
			return
		}
		var want string
		s := scan.Scanner{Text: text}
		str, err := s.String()
		if err == nil && s.End() {
			got := string(scan.AppendUnquoted(nil, str))
			if err := json.Unmarshal(text, &want); err != nil || got != want {
				t.Fatalf("%q means %q, not %q (%v)", text, want, got, err)
			}
			if canonical := string(scan.AppendHashed(nil, got)) == `"`+string(str.Raw)+`"`; canonical != str.Canonical {
				t.Fatalf("%q: Canonical is %v", text, str.Canonical)
			}
		}
		quoted := scan.AppendQuoted(nil, string(text))
		if err := json.Unmarshal(quoted, &want); err != nil || want != string(text) {
			t.Fatalf("%q is quoted as %s (%v)", text, quoted, err)
		}
		s = scan.Scanner{Text: quoted}
		if str, err = s.String(); err != nil || string(scan.AppendUnquoted(nil, str)) != string(text) {
			t.Fatalf("%s is not read as %q (%v)", quoted, text, err)
		}
	})
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		err  error
	}{
		{"0", 0, nil},
		{"7", 7, nil},
		{" 7", 7, nil},
		{"10.0", 10, nil},
		{"1e1", 10, nil},
		{"1.5E+1", 15, nil},
		{"1.7e9", 1.7e9, nil},
		{"100e-2", 1, nil},
		{"0.0e9", 0, nil},
		{"0.001e3", 1, nil},
		{"12.50e1", 125, nil},
		{"0e400", 0, nil},
		{"0e99999999999999999999", 0, nil},
		{"999999999999999999.0", scan.MaxDigits, nil},
		{"1e18", 0, scan.ErrLarge},
		{"1e400", 0, scan.ErrLarge},
		{"1e99999999999999999999", 0, scan.ErrLarge},
		{"18446744073709551615", 0, scan.ErrLarge},
		{"1.5", 0, scan.ErrNumber},
		{"1e-1", 0, scan.ErrNumber},
		{"1e-400", 0, scan.ErrNumber},
		{"-1", 0, scan.ErrNumber},
		{"-0.0", 0, scan.ErrNumber},
		{"1.", 0, scan.ErrNumber},
		{"1e", 0, scan.ErrNumber},
		{".5", 0, scan.ErrNumber},
		{"+1", 0, scan.ErrNumber},
		{"", 0, scan.ErrNumber},
		{"null", 0, scan.ErrNumber},
		{"1" + strings.Repeat("0", 1000) + "e-1000", 1, nil},
	} {
		s := scan.Scanner{Text: []byte(c.in)}
		if got, err := s.Whole(); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%.40q: %d, %v", c.in, got, err)
		}
	}
}

func TestDigits(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		err  error
	}{
		{"0", 0, nil},
		{"65536", 65536, nil},
		{"4294967297", 1<<32 + 1, nil},
		{"999999999999999999", scan.MaxDigits, nil},
		{"1000000000000000000", 0, scan.ErrLarge},
		{"9223372036854775807", 0, scan.ErrLarge},
		{"18446744073709551616", 0, scan.ErrLarge},
		{strings.Repeat("9", 1000), 0, scan.ErrLarge},
		{"", 0, scan.ErrNumber},
		{"-1", 0, scan.ErrNumber},
		{"+1", 0, scan.ErrNumber},
		{"00", 0, scan.ErrNumber},
		{"01", 0, scan.ErrNumber},
		{"1.0", 0, scan.ErrNumber},
		{"1e3", 0, scan.ErrNumber},
		{"1E3", 0, scan.ErrNumber},
		{`"1"`, 0, scan.ErrNumber},
		{"null", 0, scan.ErrNumber},
	} {
		s := scan.Scanner{Text: []byte(c.in)}
		if got, err := s.Digits(); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %d, %v", c.in, got, err)
		}
	}
}

func TestSkipIsBoundedInDepthAndDoesNotAllocate(t *testing.T) {
	deep := []byte(strings.Repeat("[", 100_000))
	text := []byte(`{"a":[1,"x\n",{"b":null}],"c":-1.5e3}`)
	if n := testing.AllocsPerRun(100, func() {
		s := scan.Scanner{Text: deep}
		if _, err := s.Skip(); err != scan.ErrDepth {
			t.Fatal(err)
		}
		s = scan.Scanner{Text: text}
		if _, err := s.Skip(); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
