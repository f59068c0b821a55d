package config

import (
	"reflect"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"moa/policy/conf"
)

// leaf is one key of the configuration file.
type leaf struct{ conf.Leaf }

// flag is the name of the command line flag that overrides the key.
func (l leaf) flag() string { return strings.ReplaceAll(l.Path, "_", "-") }

// env is the name of the environment variable that does.
func (l leaf) env() string {
	return "MOA_" + strings.ToUpper(strings.ReplaceAll(l.Path, ".", "_"))
}

// list reports that the key has several values.
func (l leaf) list() bool { return l.Value.Kind() == reflect.Slice }

// text reports that the file writes the key's values in quotes.
func (l leaf) text() bool {
	t := l.Value.Type()
	if l.list() {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Int, reflect.Bool:
		return false
	}
	return true
}

// parse reads one value as the file would have it. What cannot be read stays a
// string, which the decoder then refuses with the words that fit the key.
func (l leaf) parse(s string) any {
	if l.text() {
		return s
	}
	var one struct{ V any }
	if err := toml.Unmarshal([]byte("V = "+s), &one); err != nil {
		return s
	}
	return one.V
}
