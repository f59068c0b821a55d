package badgerstore

import (
	"encoding/binary"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
)

// An address is barred by what is stored there, and by the newest version that a
// newer one took the place of, which may not return. Until there were keys for the
// latter an address was barred by the newest version ever stored: what is as old as
// that, and removed, goes on to bar, for nothing tells what it took the place of.

// barKey makes of an address's keyLatest the key of what bars it.
func barKey(latest []byte) []byte {
	k := append(make([]byte, 0, len(latest)), latest...)
	k[0] = keyBar
	return k
}

// barsKey holds the last serial, 8 bytes, that was stored before there were bars.
var barsKey = []byte("mbars")

// loadBars reads it, and writes it to a store that has none.
func (s *Store) loadBars() error {
	var b []byte
	err := s.versions.view(func(txn *badger.Txn) (err error) {
		b, err = get(txn, barsKey)
		return err
	})
	if len(b) == 8 {
		s.barsFrom = store.Serial(binary.BigEndian.Uint64(b))
		return err
	}
	s.barsFrom = s.serial
	if err != nil || s.opt.Existing {
		return err
	}
	if err := s.noteOldBars(); err != nil {
		return err
	}
	w := new(writes)
	w.add(barsKey, appendSerial(nil, s.barsFrom), false)
	s.backlog.add(w)
	return s.checkpoint()
}

func appendSerial(dst []byte, n store.Serial) []byte {
	return binary.BigEndian.AppendUint64(dst, uint64(n))
}

// remove drops n, whose place is free then.
func (w *writer) remove(n stored) error {
	w.drop(n)
	if n.tail.serial() <= w.s.barsFrom || len(n.value) == 0 { // what cannot be read does not tell its address
		return nil
	}
	key, err := n.address()
	if err != nil || key == nil {
		return err
	}
	at, ok, err := w.tail(key)
	if ok && at == n.tail {
		w.del(key)
	}
	return err
}

// leave removes n, which no event asks for: an operator does, or it has expired.
func (w *writer) leave(n stored) error {
	if kind := n.tail.kind(); (event.Replaceable(kind) || event.Addressable(kind)) && n.tail.serial() > w.s.barsFrom {
		w.left = append(w.left, n.tail)
	}
	return w.dropRoomy(n)
}

// address is the keyLatest of the event's address, or nil if it has none.
func (n *stored) address() ([]byte, error) {
	if !n.tail.alias() {
		return n.latestKey(&n.tail), nil
	}
	e, err := event.ParseTrusted(n.raw())
	if err != nil {
		return nil, err
	}
	a, _ := store.AddressOf(e)
	return addressKey(keyLatest, a), nil
}
