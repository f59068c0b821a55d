package main

import (
	"iter"
	"reflect"
	"strings"
)

// leaf is one key of the config file.
type leaf struct {
	path  string // as the file has it: limits.message_bytes
	relay string // the field of relay.Config that it sets, or ""
	value reflect.Value
}

// leaves walks over the keys of a struct, those of its tables included.
func leaves(v reflect.Value, table string) iter.Seq[leaf] {
	return func(yield func(leaf) bool) {
		for i := range v.NumField() {
			field := v.Type().Field(i)
			key := field.Tag.Get("toml")
			if key == "" {
				continue
			}
			path := table + key
			if field.Type.Kind() == reflect.Struct {
				for l := range leaves(v.Field(i), path+".") {
					if !yield(l) {
						return
					}
				}
				continue
			}
			if field.Type == reflect.TypeFor[[]map[string]any]() {
				continue // [[policy]]
			}
			if !yield(leaf{path, field.Tag.Get("relay"), v.Field(i)}) {
				return
			}
		}
	}
}

// flag is the name of the command line flag that overrides the key.
func (l leaf) flag() string { return strings.ReplaceAll(l.path, "_", "-") }

// env is the name of the environment variable that does.
func (l leaf) env() string {
	return "MOA_" + strings.ToUpper(strings.ReplaceAll(l.path, ".", "_"))
}

// list reports that the key has several values.
func (l leaf) list() bool { return l.value.Kind() == reflect.Slice }

// text reports that the file writes the key's values in quotes.
func (l leaf) text() bool {
	t := l.value.Type()
	if l.list() {
		t = t.Elem()
	}
	switch t.Kind() {
	case reflect.Int, reflect.Bool:
		return false
	}
	return true
}
