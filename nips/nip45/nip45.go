// Package nip45 is the HyperLogLog that goes with the answer to a COUNT: an
// estimate of how many people the counted events are of, which clients merge
// with those of other relays.
package nip45

import (
	"crypto/sha256"
	"encoding/hex"
	"math/bits"
	"strings"

	"moa/nips/event"
)

// Registers is how many there are.
const Registers = 256

// window is how many bits behind the one that names the register count.
const window = 56

// Sketch is the registers of one COUNT.
type Sketch struct {
	offset    int // of the byte of a public key that names the register
	registers [Registers]byte
}

// New returns an empty sketch for what the filters count, or nil if there is
// none. Every relay must take the same bytes of the keys, so they follow from
// the filter's tag; which filter has one is told apart more strictly than the
// NIP does: one filter of kinds and of one tag with one value, as its canonical
// queries are. Others would each need what the order of their attributes was.
func New(filters []*event.Filter) *Sketch {
	if len(filters) != 1 {
		return nil
	}
	f := filters[0]
	switch {
	case f.IDs != nil, f.Authors != nil, f.Since != 0, f.HasUntil, f.Search != "":
		return nil
	case len(f.Kinds) == 0, len(f.Tags) != 1, len(f.Tags[0].Values) != 1, f.Tags[0].Regions != nil:
		return nil
	}
	return &Sketch{offset: offset(f.Tags[0].Values[0])}
}

// offset is 8 and the 33rd hex digit of the value if that is a key or an id, of
// the key in it if it is an address, and of its sha256 if it is anything else.
func offset(value string) int {
	key, ok := parse(value)
	if !ok {
		if _, rest, cut := strings.Cut(value, ":"); cut {
			address, _, whole := strings.Cut(rest, ":")
			key, ok = parse(address)
			ok = ok && whole
		}
	}
	if !ok {
		key = sha256.Sum256([]byte(value))
	}
	return 8 + int(key[16]>>4)
}

func parse(s string) (key event.PubKey, ok bool) {
	key, err := event.ParsePubKey(s)
	return key, err == nil
}

// Add counts the author of an event.
func (s *Sketch) Add(author *event.PubKey) {
	n := byte(1)
	for _, b := range author[s.offset+1 : s.offset+1+window/8] {
		n += byte(bits.LeadingZeros8(b))
		if b != 0 {
			break
		}
	}
	at := &s.registers[author[s.offset]]
	*at = max(*at, n)
}

// Hex is the registers as a COUNT's answer has them.
func (s *Sketch) Hex() string { return hex.EncodeToString(s.registers[:]) }
