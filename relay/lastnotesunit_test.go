package relay

import "testing"

// What a name is made of does not change the line that it stands in.
func TestNameOf(t *testing.T) {
	for in, want := range map[string]string{
		"":                   "",
		"Alice":              "Alice",
		" Alice\n\t B. ":     "Alice B.",
		"\u202eecila\u2066x": "ecilax",
		"a\u0000b\u200b":     "ab",
		"äääääääääääääääääääääääääääääääääää": "ääääääääääääääääääääääääääääää…",
	} {
		if got := nameOf(in); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
}
