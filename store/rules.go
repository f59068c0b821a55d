package store

import (
	"strconv"
	"strings"

	"moa/nips/event"
)

// Address names a replaceable or addressable event whatever its version
// (NIP-01). D is "" for a replaceable one.
type Address struct {
	Kind   uint16
	PubKey event.PubKey
	D      string
}

// AddressOf returns e's address; false: its kind has none.
func AddressOf(e *event.Event) (Address, bool) {
	switch {
	case event.Replaceable(e.Kind):
		return Address{Kind: e.Kind, PubKey: e.PubKey}, true
	case event.Addressable(e.Kind):
		return Address{Kind: e.Kind, PubKey: e.PubKey, D: e.D()}, true
	}
	return Address{}, false
}

// Targets returns what a kind 5 event names and its author might delete: ids,
// whoever wrote them, and addresses of its own (NIP-09). Tags that name
// nothing are passed over.
func Targets(e *event.Event) (ids []event.ID, addrs []Address) {
	for _, t := range e.Tags {
		switch t[0] {
		case "e":
			if id, err := event.ParseID(t.Value()); err == nil {
				ids = append(ids, id)
			}
		case "a":
			if a, ok := parseAddress(t.Value()); ok && a.PubKey == e.PubKey {
				addrs = append(addrs, a)
			}
		}
	}
	return ids, addrs
}

// parseAddress reads `kind:pubkey:d`; d may hold colons itself. That of a
// replaceable is empty, and some clients leave its colon out.
func parseAddress(s string) (a Address, ok bool) {
	kindText, rest, _ := strings.Cut(s, ":")
	author, d, colon := strings.Cut(rest, ":")
	kind, err := strconv.ParseUint(kindText, 10, 16)
	if err != nil {
		return a, false
	}
	pk, err := event.ParsePubKey(author)
	if err != nil {
		return a, false
	}
	a = Address{Kind: uint16(kind), PubKey: pk, D: d}
	return a, event.Replaceable(a.Kind) && d == "" || event.Addressable(a.Kind) && colon
}

// Recipients returns whom a gift wrap is for: they may delete it, and it goes
// when they vanish (NIP-59, NIP-62). Other kinds have none.
func Recipients(e *event.Event) (to []event.PubKey) {
	if !GiftWrap(e.Kind) {
		return nil
	}
	for _, t := range e.Tags {
		if t[0] != "p" {
			continue
		}
		if pk, err := event.ParsePubKey(t.Value()); err == nil {
			to = append(to, pk)
		}
	}
	return to
}

// GiftWrap reports the kinds that belong to their recipients.
func GiftWrap(kind uint16) bool {
	return kind == event.KindGiftWrap || kind == event.KindEphemeralWrap
}

// Deletable reports a kind that a kind 5 event can delete (NIP-09, NIP-62).
func Deletable(kind uint16) bool {
	return kind != event.KindDeletion && kind != event.KindVanish
}
