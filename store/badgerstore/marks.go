package badgerstore

import (
	"hash/maphash"

	badger "github.com/dgraph-io/badger/v4"
)

// marks tells in memory which tombstones certainly do not exist, for nearly
// every event is looked for among them in vain. It is a Bloom filter of fixed
// size: with half a million tombstones one answer in a hundred is wrong, and
// with many more it only saves less. It is used by the writer alone.
type marks struct {
	seed maphash.Seed
	bits []uint64
}

const (
	marksBits   = 1 << 23 // 1 MB
	marksHashes = 4
)

func newMarks() *marks {
	return &marks{seed: maphash.MakeSeed(), bits: make([]uint64, marksBits/64)}
}

// each calls do with the word and the bit of every hash of key until do
// returns false.
func (m *marks) each(key []byte, do func(word *uint64, bit uint64) bool) {
	h := maphash.Bytes(m.seed, key)
	step := h>>32 | 1
	for range marksHashes {
		at := h % marksBits
		if !do(&m.bits[at/64], 1<<(at%64)) {
			return
		}
		h += step
	}
}

func (m *marks) add(key []byte) {
	m.each(key, func(word *uint64, bit uint64) bool { *word |= bit; return true })
}

// lacks reports that key was certainly not added.
func (m *marks) lacks(key []byte) (lacks bool) {
	m.each(key, func(word *uint64, bit uint64) bool {
		lacks = *word&bit == 0
		return !lacks
	})
	return lacks
}

// load adds all tombstones on disk.
func (m *marks) load(txn *badger.Txn) {
	it := txn.NewIterator(keysOnly)
	defer it.Close()
	for _, name := range []byte{keyGone, keyGoneAddr, keyVanished} {
		prefix := []byte{name}
		for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
			m.add(it.Item().Key())
		}
	}
}
