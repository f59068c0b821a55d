package builtin

import (
	"iter"

	"moa/policy/internal/conf"
)

// DecodeTable reads a table of the config file, as TOML decodes it into a map,
// into the struct that dst points to, as strictly as a policy's own table is
// read: every unknown key and every value of the wrong type is a fault.
func DecodeTable(table map[string]any, dst any) []Fault { return conf.Decode(table, dst) }

// DidYouMean asks for the known word that is nearest to one that was mistyped,
// or is "".
func DidYouMean(word string, known iter.Seq[string]) string { return conf.DidYouMean(word, known) }
