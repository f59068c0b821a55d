// Package conf turns a table of the configuration file into a struct, strictly
// and with every fault at once, and prints such a struct as a documented sample.
// It reads no file.
//
// A field is named by its `toml` tag and documented by its `comment` tag. Its
// value in the struct before Decode is the default.
package conf

import (
	"encoding"
	"fmt"
	"iter"
	"maps"
	"math"
	"reflect"
	"slices"
)

// Fault is what is wrong with one value, for the person who wrote it.
type Fault struct {
	Path string // relative to the table: `prefixes[0]`
	Text string
}

func (f Fault) Error() string { return Join(f.Path, "") + ": " + f.Text }

// Join appends a path to another one.
func Join(path, rest string) string {
	if path == "" || rest == "" || rest[0] == '[' {
		return path + rest
	}
	return path + "." + rest
}

// Decoder is a type that reads more than strings. v is what TOML knows: string,
// int64, float64, bool, []any or map[string]any.
type Decoder interface {
	DecodeValue(v any) error
}

// Decode fills the struct that dst points to. A type of a field may read
// itself, as a Decoder or, of a string, as an encoding.TextUnmarshaler.
func Decode(table map[string]any, dst any) []Fault {
	var d decoder
	d.table("", table, reflect.ValueOf(dst).Elem())
	return d.faults
}

// fields are the struct's fields with a `toml` tag, those of embedded structs
// among them.
func fields(v reflect.Value) iter.Seq2[reflect.StructField, reflect.Value] {
	return func(yield func(reflect.StructField, reflect.Value) bool) {
		for _, f := range reflect.VisibleFields(v.Type()) {
			if f.Tag.Get("toml") != "" && !yield(f, v.FieldByIndex(f.Index)) {
				return
			}
		}
	}
}

type decoder struct{ faults []Fault }

func (d *decoder) fault(path, format string, args ...any) {
	d.faults = append(d.faults, Fault{path, fmt.Sprintf(format, args...)})
}

func (d *decoder) table(path string, table map[string]any, dst reflect.Value) {
	known := map[string]reflect.Value{}
	for field, v := range fields(dst) {
		known[field.Tag.Get("toml")] = v
	}
	for _, key := range slices.Sorted(maps.Keys(table)) {
		field, ok := known[key]
		if !ok {
			d.fault(Join(path, key), "unknown key%s; known are %s", DidYouMean(key, maps.Keys(known)), list(slices.Sorted(maps.Keys(known))))
			continue
		}
		d.value(Join(path, key), table[key], field)
	}
}

func (d *decoder) value(path string, v any, dst reflect.Value) {
	switch p := dst.Addr().Interface().(type) {
	case Decoder:
		if err := p.DecodeValue(v); err != nil {
			d.fault(path, "%v", err)
		}
		return
	case encoding.TextUnmarshaler:
		s, ok := v.(string)
		if !ok {
			d.wrong(path, "a string", v)
		} else if err := p.UnmarshalText([]byte(s)); err != nil {
			d.fault(path, "%v", err)
		}
		return
	}
	switch dst.Kind() {
	case reflect.String:
		assign(d, path, "a string", v, dst.SetString)
	case reflect.Bool:
		assign(d, path, "true or false", v, dst.SetBool)
	case reflect.Int, reflect.Int64:
		assign(d, path, "a whole number", v, dst.SetInt)
	case reflect.Float64:
		if n, ok := v.(int64); ok {
			v = float64(n)
		}
		assign(d, path, "a number", v, func(f float64) {
			if math.IsNaN(f) || math.IsInf(f, 0) {
				d.fault(path, "want a finite number")
				return
			}
			dst.SetFloat(f)
		})
	case reflect.Slice:
		d.slice(path, v, dst)
	case reflect.Map:
		assign(d, path, "a table", v, func(t map[string]any) { dst.Set(reflect.ValueOf(t)) })
	case reflect.Struct:
		assign(d, path, "a table", v, func(t map[string]any) { d.table(path, t, dst) })
	default:
		panic("conf: no way to read a " + dst.Type().String())
	}
}

func (d *decoder) slice(path string, v any, dst reflect.Value) {
	var items []any
	switch list := v.(type) {
	case []any:
		items = list
	case []map[string]any:
		for _, t := range list {
			items = append(items, t)
		}
	default:
		d.wrong(path, "a list", v)
		return
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(items), len(items)))
	for i, item := range items {
		d.value(fmt.Sprintf("%s[%d]", path, i), item, dst.Index(i))
	}
}

func assign[T any](d *decoder, path, want string, v any, set func(T)) {
	t, ok := v.(T)
	if !ok {
		d.wrong(path, want, v)
		return
	}
	set(t)
}

func (d *decoder) wrong(path, want string, v any) {
	d.fault(path, "want %s, not %s", want, describe(v))
}

// describe shows a value as its writer sees it.
func describe(v any) string {
	switch v := v.(type) {
	case string:
		return fmt.Sprintf("%q", v)
	case []any, []map[string]any:
		return "a list"
	case map[string]any:
		return "a table"
	}
	return fmt.Sprint(v)
}

// list joins words: "a, b and c".
func list(words []string) string {
	switch n := len(words); n {
	case 0:
		return "none"
	case 1:
		return words[0]
	default:
		s := words[0]
		for _, w := range words[1 : n-1] {
			s += ", " + w
		}
		return s + " and " + words[n-1]
	}
}
