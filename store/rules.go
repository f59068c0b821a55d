package store

import "moa/nips/event"

// Address names a replaceable or addressable event whatever its version
// (NIP-01). D is "" for a replaceable one.
type Address = event.Address

// AddressOf returns e's address; false: its kind has none.
func AddressOf(e *event.Event) (Address, bool) { return e.Address() }

// Targets returns what a kind 5 event names and its author might delete: ids,
// whoever wrote them, and addresses of its own (NIP-09). Tags that name
// nothing are passed over.
func Targets(e *event.Event) (ids []event.ID, addrs []Address) { return e.Targets() }

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
