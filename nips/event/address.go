package event

import (
	"errors"
	"fmt"
	"strings"

	"moa/nips/internal/scan"
)

// Address names a replaceable or addressable event whatever its version, as
// the value of an `a` tag does (NIP-01).
type Address struct {
	Kind   uint16
	PubKey PubKey
	D      string // always "" of a replaceable kind
}

// String writes the address as ParseAddress reads it.
func (a Address) String() string { return fmt.Sprintf("%d:%s:%s", a.Kind, a.PubKey, a.D) }

var errAddress = errors.New("not an address: want kind:pubkey:d")

// ParseAddress reads `kind:pubkey:d`, of which d may be empty and may hold
// colons. Only replaceable and addressable kinds have an address.
func ParseAddress(s string) (Address, error) {
	kind, rest, _ := strings.Cut(s, ":")
	author, d, found := strings.Cut(rest, ":")
	n := scan.Scanner{Text: []byte(kind)}
	k, err := n.Digits()
	if err != nil || !n.End() || n.Spaced || k > 65535 {
		return Address{}, errAddress
	}
	a := Address{Kind: uint16(k), D: d}
	if !decodeHex(a.PubKey[:], author) {
		return Address{}, errAddress
	}
	switch {
	case Replaceable(a.Kind) && d == "":
	case Addressable(a.Kind) && found:
	default:
		return Address{}, errAddress
	}
	return a, nil
}

// Address returns the event's address, and whether its kind has one.
func (e *Event) Address() (Address, bool) {
	switch {
	case Replaceable(e.Kind):
		return Address{Kind: e.Kind, PubKey: e.PubKey}, true
	case Addressable(e.Kind):
		return Address{Kind: e.Kind, PubKey: e.PubKey, D: e.D()}, true
	}
	return Address{}, false
}

// Targets returns what a deletion asks to delete (NIP-09): the ids, whose
// authors are for the store to compare, and the addresses that are the
// signer's own. Tags that name neither are passed over.
func (e *Event) Targets() (ids []ID, addresses []Address) {
	for _, t := range e.Tags {
		switch t[0] {
		case "e":
			var id ID
			if decodeHex(id[:], t.Value()) {
				ids = append(ids, id)
			}
		case "a":
			if a, err := ParseAddress(t.Value()); err == nil && a.PubKey == e.PubKey {
				addresses = append(addresses, a)
			}
		}
	}
	return ids, addresses
}
