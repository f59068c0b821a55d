package conf

import (
	"encoding"
	"fmt"
	"iter"
	"reflect"
	"strconv"
	"time"
)

// Leaf is one key of a configuration and the value of its field.
type Leaf struct {
	Path  string // from the struct on: `limits.filters`
	Value reflect.Value
	tag   reflect.StructTag
}

// Leaves walks over the keys of the struct that v points to, those of its tables
// included. The `toml` tag of a field may have dots: the key then lies in a table
// that has no struct of its own.
func Leaves(v any) iter.Seq[Leaf] { return leaves(reflect.ValueOf(v).Elem(), "") }

func leaves(v reflect.Value, table string) iter.Seq[Leaf] {
	return func(yield func(Leaf) bool) {
		for field, v := range fields(v) {
			path := Join(table, field.Tag.Get("toml"))
			if v.Kind() != reflect.Struct || readsItself(v) {
				if !yield(Leaf{path, v, field.Tag}) {
					return
				}
				continue
			}
			for l := range leaves(v, path) {
				if !yield(l) {
					return
				}
			}
		}
	}
}

// readsItself reports a struct that is one value, and no table.
func readsItself(v reflect.Value) bool {
	switch v.Addr().Interface().(type) {
	case Decoder, encoding.TextUnmarshaler:
		return true
	}
	return false
}

// SetDefaults gives each key its `default` tag, if it has one. A tag that cannot be
// read is a fault of the program.
func SetDefaults(dst any) {
	for l := range Leaves(dst) {
		text, ok := l.tag.Lookup("default")
		if !ok {
			continue
		}
		var err error
		switch p := l.Value.Addr().Interface().(type) {
		case *int:
			*p, err = strconv.Atoi(text)
		case *bool:
			*p, err = strconv.ParseBool(text)
		case *string:
			*p = text
		case *time.Duration:
			*p, err = time.ParseDuration(text)
		default:
			err = fmt.Errorf("a %s has no default tag", l.Value.Type())
		}
		if err != nil {
			panic(fmt.Sprintf("conf: %s: %v", l.Path, err))
		}
	}
}

// Check finds the whole numbers that are less than the `least` tag of their key.
// path is that of the struct that v points to.
func Check(path string, v any) (bad Faults) {
	for l := range Leaves(v) {
		text, ok := l.tag.Lookup("least")
		if !ok {
			continue
		}
		least, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			panic(fmt.Sprintf("conf: %s: %v", l.Path, err))
		}
		if n := l.Value.Int(); n < least {
			bad.Add(Join(path, l.Path), "%d is less than %d", n, least)
		}
	}
	return bad
}
