package conf

import (
	"encoding"
	"fmt"
	"reflect"
	"strconv"
	"strings"
)

// Sample prints the struct as a documented piece of TOML, every line of it a
// comment: what each key means, and the default as `# key = value`. A field
// with an `example` tag shows that instead of an empty default.
func Sample(defaults any) string {
	var b strings.Builder
	for field, v := range fields(reflect.ValueOf(defaults)) {
		for line := range strings.SplitSeq(field.Tag.Get("comment"), "\n") {
			fmt.Fprintf(&b, "# # %s\n", line)
		}
		value := literal(v)
		if example := field.Tag.Get("example"); example != "" {
			value = example
		}
		fmt.Fprintf(&b, "# %s = %s\n", field.Tag.Get("toml"), value)
	}
	return b.String()
}

// literal writes a value as TOML.
func literal(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		text, err := m.MarshalText()
		if err != nil {
			panic(err)
		}
		return strconv.Quote(string(text))
	}
	switch v.Kind() {
	case reflect.String:
		return strconv.Quote(v.String())
	case reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = literal(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Float64:
		s := strconv.FormatFloat(v.Float(), 'f', -1, 64)
		if !strings.Contains(s, ".") {
			s += ".0"
		}
		return s
	case reflect.Struct:
		var parts []string
		for field, v := range fields(v) {
			parts = append(parts, field.Tag.Get("toml")+" = "+literal(v))
		}
		return "{ " + strings.Join(parts, ", ") + " }"
	}
	return fmt.Sprint(v.Interface())
}
