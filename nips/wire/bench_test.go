package wire_test

import (
	"strings"
	"testing"

	"moa/nips/wire"
)

// object is about as large as the common event.
var object = []byte(`{"id":"` + strings.Repeat("ab", 32) + `","content":"` + strings.Repeat("some words ", 80) + `"}`)

func BenchmarkParseEvent(b *testing.B) {
	frame := []byte(`["EVENT",` + string(object) + `]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkParseReq(b *testing.B) {
	frame := []byte(`["REQ","sub",{"kinds":[1,6,7],"authors":["` + strings.Repeat("ab", 32) + `"],"limit":100}]`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := wire.Parse(frame); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendEvent(b *testing.B) {
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		dst = wire.AppendEvent(dst[:0], "sub", object)
	}
}
