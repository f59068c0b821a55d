//go:build unix

package plugin

import (
	"encoding/binary"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"moa/nips/testwait"
)

// The tests' modules are written in WebAssembly's binary form by hand, so that
// no compiler for it is needed.

func leb(n int) []byte { return binary.AppendUvarint(nil, uint64(n)) }

func vector(items ...[]byte) []byte {
	return append(leb(len(items)), slices.Concat(items...)...)
}

func sized(b []byte) []byte { return append(leb(len(b)), b...) }

func section(id byte, body []byte) []byte { return append([]byte{id}, sized(body)...) }

func name(s string) []byte { return sized([]byte(s)) }

// i32 is the instruction that pushes a number.
func i32(n int) []byte {
	out := []byte{0x41}
	for n >= 64 { // signed LEB128 of a number that is not negative
		out = append(out, byte(n&0x7f|0x80))
		n >>= 7
	}
	return append(out, byte(n))
}

// locals is how many the function of a module has.
const locals = 20

// module writes a WASI command whose _start has this body and locals, with its
// memory filled from 1024 and 2048 on.
func module(t *testing.T, pages int, at1024, at2048 string, body ...[]byte) string {
	t.Helper()
	code := slices.Concat([]byte{1, locals, 0x7f}, slices.Concat(body...), []byte{0x0b})
	data := func(at int, s string) []byte {
		return slices.Concat([]byte{0}, i32(at), []byte{0x0b}, name(s))
	}
	imported := func(s string) []byte {
		return slices.Concat(name("wasi_snapshot_preview1"), name(s), []byte{0, 0})
	}
	text := slices.Concat([]byte("\x00asm\x01\x00\x00\x00"),
		section(1, vector([]byte{0x60, 4, 0x7f, 0x7f, 0x7f, 0x7f, 1, 0x7f}, []byte{0x60, 0, 0})),
		section(2, vector(imported("fd_read"), imported("fd_write"))),
		section(3, vector([]byte{1})),
		section(5, vector(append([]byte{0}, leb(pages)...))),
		section(7, vector(append(name("memory"), 2, 0), append(name("_start"), 0, 2))),
		section(10, vector(sized(code))),
		section(11, vector(data(1024, at1024), data(2048, at2048))))
	file := filepath.Join(t.TempDir(), "plugin.wasm")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// filter is a module that refuses the events whose id begins with 0 to 7. A
// line's id is always at the same place.
func filter(t *testing.T) string {
	const in, id = 4096, 4096 + len(`{"type":"new","event":{"id":"`)
	hole := strings.Repeat("x", 64)
	accept := `{"id":"` + hole + `","action":"accept"}` + "\n"
	reject := `{"id":"` + hole + `","action":"reject","msg":"blocked: a low id"}` + "\n"
	store := []byte{0x36, 2, 0}
	return module(t, 2, accept, reject,
		[]byte{0x03, 0x40}, // loop
		i32(0), i32(in), store, i32(4), i32(61440), store,
		i32(0), i32(0), i32(1), i32(8), []byte{0x10, 0, 0x1a}, // fd_read(0, …)
		i32(8), []byte{0x28, 2, 0, 0x45, 0x04, 0x40, 0x0f, 0x0b}, // nothing read: return
		i32(id), []byte{0x2d, 0, 0}, i32('8'), []byte{0x49, 0x04, 0x7f}, // the first digit < '8'
		i32(2048), []byte{0x05}, i32(1024), []byte{0x0b, 0x21, 0}, // ? 2048 : 1024
		[]byte{0x20, 0}, i32(7), []byte{0x6a}, i32(id), i32(64), []byte{0xfc, 0x0a, 0, 0}, // copy the id
		i32(0), []byte{0x20, 0}, store,
		i32(4), []byte{0x20, 0}, i32(2048), []byte{0x46, 0x04, 0x7f},
		i32(len(reject)), []byte{0x05}, i32(len(accept)), []byte{0x0b}, store,
		i32(1), i32(0), i32(1), i32(8), []byte{0x10, 1, 0x1a}, // fd_write(1, …)
		[]byte{0x0c, 0, 0x0b}) // again
}

// copier is a module that reads a line, keeps some of the id's digits in locals,
// copies all around the line with memory.copy, overwrites the original with
// memory.fill, and traps if a digit in a local is not the one in the copy.
// Otherwise it accepts the event by the id in the copy.
func copier(t *testing.T, size, digits int) string {
	const in, out, id = 8192, 65536, len(`{"type":"new","event":{"id":"`)
	accept := `{"id":"` + strings.Repeat("x", 64) + `","action":"accept"}` + "\n"
	store, load := []byte{0x36, 2, 0}, []byte{0x2d, 0, 0}
	body := [][]byte{
		{0x03, 0x40}, // loop
		i32(0), i32(in), store, i32(4), i32(4096), store,
		i32(0), i32(0), i32(1), i32(8),
		{0x10, 0, 0x1a}, // fd_read(0, …)
		i32(8),
		{0x28, 2, 0, 0x45, 0x04, 0x40, 0x0f, 0x0b}, // nothing read: return
	}
	for i := range digits {
		body = append(body, i32(in+id+i), load, []byte{0x21, byte(i)})
	}
	body = append(body,
		i32(out), i32(in), i32(size), []byte{0xfc, 0x0a, 0, 0},
		i32(in), i32('#'), i32(size), []byte{0xfc, 0x0b, 0}, i32(0))
	for i := range digits {
		body = append(body, i32(out+id+i), load, []byte{0x20, byte(i), 0x73, 0x72}) // or what differs
	}
	body = append(body,
		[]byte{0x04, 0x40, 0x00, 0x0b}, // anything: trap
		i32(1024+7), i32(out+id), i32(64), []byte{0xfc, 0x0a, 0, 0},
		i32(0), i32(1024), store, i32(4), i32(len(accept)), store,
		i32(1), i32(0), i32(1), i32(8), []byte{0x10, 1, 0x1a}, // fd_write(1, …)
		[]byte{0x0c, 0, 0x0b}) // again
	return module(t, 3, accept, "", body...)
}

// The runtime has memory copied by Go's own memmove, which goes by another way
// for more than 2 KB and uses registers there that a release of Go may change.
// A runtime older than that release then loses what the module has in them.
func TestModuleKeepsItsRegistersWhenItCopies(t *testing.T) {
	t.Parallel()
	for _, size := range []int{1024, 2048, 4096, 32768} {
		for digits := range locals + 1 {
			p, logs := start(t, Config{Command: copier(t, size, digits), Memory: 16})
			if got := text(p.Event(ctx, client, note("x"))); got != "accept" {
				t.Errorf("%d bytes, %d values kept: %s\n%s", size, digits, got, logs)
			}
		}
	}
}

func TestModuleDecides(t *testing.T) {
	t.Parallel()
	p, logs := start(t, Config{Command: filter(t), Memory: 16, Processes: 2})
	seen := map[string]int{}
	for i := range 50 {
		e := note(strings.Repeat("x", i))
		want := "accept"
		if e.ID[0] < 0x80 {
			want = "reject blocked: a low id"
		}
		if got := text(p.Event(ctx, client, e)); got != want {
			t.Fatalf("%s: %s, want %s\n%s", e.ID, got, want, logs)
		}
		seen[want]++
	}
	if len(seen) != 2 {
		t.Error(seen)
	}
}

func TestModuleIsContained(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ what, file, log string }{
		{"computes without end", module(t, 1, "", "", []byte{0x03, 0x40, 0x0c, 0, 0x0b}), "it does not answer"},
		{"traps", module(t, 1, "", "", []byte{0x00}), "unreachable"},
		{"wants too much memory", module(t, 1000, "", ""), "memory"},
		{"is none", script(t, "sh", "exit"), "plugin.wasm"},
	} {
		if c.what == "is none" {
			renamed := c.file + ".wasm"
			if err := os.Rename(c.file, renamed); err != nil {
				t.Fatal(err)
			}
			c.file = renamed
		}
		p, logs := start(t, Config{Command: c.file, Memory: 16, Timeout: 500 * time.Millisecond})
		if got := text(p.Event(ctx, client, note("x"))); got != noAnswer {
			t.Errorf("a module that %s: %s", c.what, got)
		}
		askedUntil(t, p, c.what+": "+c.log, func() bool { return strings.Contains(logs.String(), c.log) })
		testwait.Eventually(t, c.what+": it is counted", func() bool {
			restarts, unanswered := p.Troubles()
			return restarts > 0 && unanswered > 0
		})
	}
}
