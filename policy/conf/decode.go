// Package conf turns a table of the configuration file into a struct, strictly
// and with every fault at once, and prints such a struct as a documented sample.
// It reads no file.
//
// A field is named by its `toml` tag and documented by its `comment` tag. Its
// value in the struct before Decode is the default, which SetDefaults takes from
// the `default` tag; a whole number has its bound in the `least` tag.
package conf

import (
	"encoding"
	"fmt"
	"iter"
	"maps"
	"math"
	"net/netip"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Decoder is a type that reads more than strings. v is what TOML knows: string,
// int64, float64, bool, []any or map[string]any.
type Decoder interface {
	DecodeValue(v any) error
}

// Decode fills the struct that dst points to. A type of a field may read
// itself, as a Decoder or, of a string, as an encoding.TextUnmarshaler; an error
// of it that is a Fault stays what it is.
func Decode(table map[string]any, dst any) Faults {
	var d decoder
	d.table("", table, branches(Leaves(dst)))
	return d.faults
}

// branch is what lies under one key of a table: its value, or the keys of a table.
type branch struct {
	value reflect.Value     // not valid: the key is a table
	table map[string]branch // by the next part of the path
}

// branches arranges keys as a file has them.
func branches(all iter.Seq[Leaf]) map[string]branch {
	root := map[string]branch{}
	for l := range all {
		table, rest := root, l.Path
		for {
			key, more, deeper := strings.Cut(rest, ".")
			if !deeper {
				table[key] = branch{value: l.Value}
				break
			}
			if table[key].table == nil {
				table[key] = branch{table: map[string]branch{}}
			}
			table, rest = table[key].table, more
		}
	}
	return root
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

// UnknownKey is what Fault.Wrong begins with if no key of the table has the name.
const UnknownKey = "unknown key"

type decoder struct{ faults Faults }

func (d *decoder) table(path string, table map[string]any, known map[string]branch) {
	for _, key := range slices.Sorted(maps.Keys(table)) {
		at := Join(path, key)
		switch to, ok := known[key]; {
		case !ok:
			d.faults.Add(at, UnknownKey+"%s; known are %s", DidYouMean(key, maps.Keys(known)), list(slices.Sorted(maps.Keys(known))))
		case to.table != nil:
			assign(d, at, "a table", table[key], func(t map[string]any) { d.table(at, t, to.table) })
		default:
			d.value(at, table[key], to.value)
		}
	}
}

func (d *decoder) value(path string, v any, dst reflect.Value) {
	switch p := dst.Addr().Interface().(type) {
	case *time.Duration:
		d.text(path, v, into(p, parseTime))
		return
	case *netip.Prefix:
		d.text(path, v, into(p, parsePrefix))
		return
	case Decoder:
		if err := p.DecodeValue(v); err != nil {
			d.faults.AddError(path, err)
		}
		return
	case encoding.TextUnmarshaler:
		d.text(path, v, func(s string) error { return p.UnmarshalText([]byte(s)) })
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
				d.wrong(path, "a finite number", "")
				return
			}
			dst.SetFloat(f)
		})
	case reflect.Slice:
		d.slice(path, v, dst)
	case reflect.Map:
		assign(d, path, "a table", v, func(t map[string]any) { dst.Set(reflect.ValueOf(t)) })
	case reflect.Struct:
		assign(d, path, "a table", v, func(t map[string]any) { d.table(path, t, branches(leaves(dst, ""))) })
	default:
		panic("conf: no way to read a " + dst.Type().String())
	}
}

// text has a string read.
func (d *decoder) text(path string, v any, read func(string) error) {
	assign(d, path, "a string", v, func(s string) {
		if err := read(s); err != nil {
			d.faults.AddError(path, err)
		}
	})
}

// into sets p to what parse makes of a string, and leaves it as it is after an error.
func into[T any](p *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		parsed, err := parse(s)
		if err == nil {
			*p = parsed
		}
		return err
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
		d.wrong(path, "a list", describe(v))
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
		d.wrong(path, want, describe(v))
		return
	}
	set(t)
}

func (d *decoder) wrong(path, want, got string) {
	d.faults = append(d.faults, Fault{Path: path, Want: want, Got: got})
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
