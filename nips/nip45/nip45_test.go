package nip45_test

import (
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"
	theirs "github.com/nbd-wtf/go-nostr/nip45"
	"github.com/nbd-wtf/go-nostr/nip45/hyperloglog"

	"moa/nips/event"
	"moa/nips/nip45"
)

func sketch(t *testing.T, filters ...string) *nip45.Sketch {
	t.Helper()
	var all []*event.Filter
	for _, raw := range filters {
		f, err := event.ParseFilter([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, f)
	}
	return nip45.New(all)
}

// at is the register's offset that a sketch works with, found out through a key
// that has another byte at each place.
func at(s *nip45.Sketch) int {
	var key event.PubKey
	for i := range key {
		key[i] = byte(i)
	}
	s.Add(&key)
	return strings.IndexFunc(s.Hex(), func(r rune) bool { return r != '0' }) / 2
}

const id = "0000000000000000000000000000000070000000000000000000000000000000"

func TestWhichFiltersHaveOne(t *testing.T) {
	for _, c := range []struct {
		name    string
		filters []string
		offset  int // 0: there is none
	}{
		{"reactions", []string{`{"#e":["` + id + `"],"kinds":[7]}`}, 15},
		{"reposts", []string{`{"#e":["` + id + `"],"kinds":[6]}`}, 15},
		{"quotes", []string{`{"kinds":[1,1111],"#q":["` + id + `"]}`}, 15},
		{"replies", []string{`{"#e":["` + id + `"],"kinds":[1]}`}, 15},
		{"comments", []string{`{"#E":["` + id + `"],"kinds":[1111]}`}, 15},
		{"followers", []string{`{"#p":["` + id + `"],"kinds":[3]}`}, 15},
		{"the lowest", []string{`{"#p":["` + strings.Repeat("0", 64) + `"],"kinds":[3]}`}, 8},
		{"the highest", []string{`{"#p":["` + strings.Repeat("f", 64) + `"],"kinds":[3]}`}, 23},
		{"with a limit, which does not count", []string{`{"#p":["` + id + `"],"kinds":[3],"limit":5}`}, 15},
		{"an address", []string{`{"#a":["30023:` + id + `:a:b"],"kinds":[1111]}`}, 15},
		{"no address, by its sha256", []string{`{"#a":["30023:` + id + `"],"kinds":[1111]}`}, 8 + 0x4},
		{"a word, by its sha256", []string{`{"#t":["abc"],"kinds":[1]}`}, 8 + 0xb},
		{"two filters", []string{`{"#p":["` + id + `"],"kinds":[3]}`, `{"kinds":[3]}`}, 0},
		{"no tag", []string{`{"kinds":[3]}`}, 0},
		{"two tags", []string{`{"#p":["` + id + `"],"#e":["` + id + `"],"kinds":[3]}`}, 0},
		{"two values", []string{`{"#p":["` + id + `","` + strings.Repeat("f", 64) + `"],"kinds":[3]}`}, 0},
		{"no value", []string{`{"#p":[],"kinds":[3]}`}, 0},
		{"no kinds", []string{`{"#p":["` + id + `"]}`}, 0},
		{"of somebody", []string{`{"#p":["` + id + `"],"kinds":[3],"authors":["` + id + `"]}`}, 0},
		{"since", []string{`{"#p":["` + id + `"],"kinds":[3],"since":5}`}, 0},
		{"until", []string{`{"#p":["` + id + `"],"kinds":[3],"until":5}`}, 0},
		{"a region", []string{`{"#g":["u33*"],"kinds":[1]}`}, 0},
	} {
		s := sketch(t, c.filters...)
		switch {
		case s == nil && c.offset != 0:
			t.Errorf("NIP45.4 %s: none", c.name)
		case s != nil && at(s) != c.offset:
			t.Errorf("NIP45.4 %s: offset %d, want %d", c.name, at(s), c.offset)
		}
	}
}

// Of any key to be counted and any keys that count it, the offset and the
// registers are go-nostr's.
func TestTheRegistersAreGoNostrs(t *testing.T) {
	r := rand.New(rand.NewPCG(4, 5))
	random := func() (key event.PubKey) {
		for i := range key {
			key[i] = byte(r.Uint32())
		}
		return key
	}
	for _, q := range []struct {
		tag  string
		kind int
	}{{"p", 3}, {"e", 7}, {"E", 1111}} { // what go-nostr knows
		for range 100 {
			of := random()
			value := of.String()
			mine := sketch(t, fmt.Sprintf(`{"#%s":["%s"],"kinds":[%d]}`, q.tag, value, q.kind))
			offset := theirs.HyperLogLogEventPubkeyOffsetForFilter(nostr.Filter{Kinds: []int{q.kind}, Tags: nostr.TagMap{q.tag: []string{value}}})
			other := hyperloglog.New(offset)
			for i := range 200 {
				by := random()
				for k := range i % 24 { // zeros, as few keys have
					by[min(offset+1+k/3, 31)] >>= k % 9
				}
				if i == 0 {
					by = event.PubKey{}
				}
				mine.Add(&by)
				other.AddBytes(by[:])
			}
			if mine.Hex() != hex.EncodeToString(other.GetRegisters()) {
				t.Fatalf("NIP45.4: offset %d:\n%s\n%x", offset, mine.Hex(), other.GetRegisters())
			}
		}
	}
}

// Two relays' registers, merged by the higher one, are those of one relay that
// has all: and the estimate is about right.
func TestSketchesMerge(t *testing.T) {
	const filter = `{"#p":["` + id + `"],"kinds":[3]}`
	a, b, all := sketch(t, filter), sketch(t, filter), sketch(t, filter)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range 3000 {
		var key event.PubKey
		for k := range key {
			key[k] = byte(r.Uint32())
		}
		all.Add(&key)
		if i < 2000 {
			a.Add(&key)
		}
		if i >= 1000 {
			b.Add(&key)
		}
	}
	merged := hyperloglog.New(15)
	for _, s := range []*nip45.Sketch{a, b} {
		registers, err := hex.DecodeString(s.Hex())
		if err != nil || len(registers) != nip45.Registers {
			t.Fatalf("%d registers, %v", len(registers), err)
		}
		merged.MergeRegisters(registers)
	}
	whole, _ := hex.DecodeString(all.Hex())
	if !slices.Equal(merged.GetRegisters(), whole) {
		t.Error("merged they are others")
	}
	if n := merged.Count(); n < 2500 || n > 3500 {
		t.Errorf("3000 are estimated to be %d", n)
	}
}
