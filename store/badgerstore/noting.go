package badgerstore

import (
	"bytes"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
	"moa/store/badgerstore/internal/records"
)

// noteGone notes what the records say that a collection drops for good, as far as it
// is still so.
func (s *Store) noteGone(list []records.Record) error {
	return s.versions.view(func(txn *badger.Txn) error {
		for _, r := range list {
			v := value(r.Bytes)
			if v.check() != nil {
				continue
			}
			if err := s.noteOne(txn, store.Serial(r.Serial), v); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Store) noteOne(txn *badger.Txn, serial store.Serial, v value) error {
	kind := v.kind()
	if kind != event.KindDeletion && kind != event.KindVanish && !event.Replaceable(kind) && !event.Addressable(kind) {
		return nil
	}
	e, err := event.ParseTrusted(v.raw())
	if err != nil {
		return nil //nolint:nilerr // it is damaged, and tells nothing
	}
	if a, ok := store.AddressOf(e); ok {
		return s.noteBar(txn, a, makeTail(e, serial))
	}
	var keys [][]byte
	switch kind {
	case event.KindVanish:
		keys = append(keys, vanishedKey(e.PubKey))
	case event.KindDeletion:
		ids, addrs := store.Targets(e)
		for _, id := range ids {
			keys = append(keys, goneKey(id, e.PubKey))
		}
		for _, a := range addrs {
			keys = append(keys, addressKey(keyGoneAddr, a))
		}
	}
	for _, key := range keys {
		b, err := get(txn, key)
		if err != nil {
			return err
		}
		if b != nil {
			s.notes.text = appendNote(s.notes.text, noted{key, b})
		}
	}
	return nil
}

// noteBar notes what bars the address, if that is the version at t or may be there because
// of it: a newer one took the place of what bars.
func (s *Store) noteBar(txn *badger.Txn, a store.Address, t tail) error {
	latest, err := get(txn, addressKey(keyLatest, a))
	if err != nil {
		return err
	}
	bar := latest
	if !bytes.Equal(latest, t[:]) {
		if bar, err = get(txn, addressKey(keyBar, a)); err != nil || len(bar) != len(t) {
			return err
		}
		if b := tail(bar); t.compare(&b) > 0 {
			return nil
		}
	}
	s.notes.text = appendNote(s.notes.text, noted{addressKey(keyBar, a), bar})
	return nil
}

// noteLeft notes versions that were removed, and that no event asked for.
func (s *Store) noteLeft(left []tail) {
	var text []byte
	for i := range left {
		text = appendNote(text, noted{key: recordKey(&left[i])})
	}
	if err := s.notes.append(text); err != nil {
		s.log.Warn("what was removed cannot be noted; after a repair older versions of it may be refused", "events", len(left), "err", err)
	}
}

// noteNeeded reports that the note still tells what Badger has, or of a record that is
// there.
func (s *Store) noteNeeded(n noted) (needed bool, err error) {
	if t, ok := n.left(); ok {
		return s.records.Has(uint64(t.serial())), nil
	}
	keys := [][]byte{n.key}
	if n.key[0] == keyBar { // or what bars since before there were bars
		keys = append(keys, append([]byte{keyLatest}, n.key[1:]...))
	}
	err = s.versions.view(func(txn *badger.Txn) error {
		for _, key := range keys {
			b, err := get(txn, key)
			if err != nil {
				return err
			}
			needed = needed || b != nil && bytes.Equal(b, n.value)
		}
		return nil
	})
	return needed, err
}

// noteOldBars notes what bars addresses and has no record any more, of before there
// were notes.
func (s *Store) noteOldBars() error {
	err := s.versions.view(func(txn *badger.Txn) error {
		it := txn.NewIterator(badger.IteratorOptions{Prefix: []byte{keyLatest}})
		defer it.Close()
		for it.Rewind(); it.Valid(); it.Next() {
			b, err := it.Item().ValueCopy(nil)
			if err != nil {
				return err
			}
			t, err := parseTail(it.Item().Key(), b)
			if err != nil || s.records.Has(uint64(t.serial())) {
				continue
			}
			s.notes.text = appendNote(s.notes.text, noted{barKey(it.Item().Key()), b})
			if len(s.notes.text) >= leastNotes {
				if err := s.notes.save(nil); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return s.notes.save(nil)
}
