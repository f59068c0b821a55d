package badgerstore

import (
	"hash/maphash"

	badger "github.com/dgraph-io/badger/v4"
)

// bloom tells in memory which keys certainly do not exist: tombstones and ids,
// for nearly every event that is looked up there is not. It is a Bloom filter
// of fixed size: with a key for every 16 bits one answer in a hundred and fifty
// is wrong, and with many more it only saves less; that of ids is made for the
// events that there are when the store is opened. It is used by the writer
// alone.
type bloom struct {
	seed maphash.Seed
	bits []uint64
}

const (
	tombstoneBits = 1 << 23 // 1 MB
	idBits        = 1 << 26 // 8 MB, at least
	idBitsMost    = 1 << 30
	idBitsEach    = 16 // for an event
	bloomHashes   = 4
)

func newBloom(bits int) *bloom {
	return &bloom{seed: maphash.MakeSeed(), bits: make([]uint64, bits/64)}
}

// each calls do with the word and the bit of every hash of key until do
// returns false.
func (b *bloom) each(key []byte, do func(word *uint64, bit uint64) bool) {
	h := maphash.Bytes(b.seed, key)
	step := h>>32 | 1
	for range bloomHashes {
		at := h % uint64(len(b.bits)*64)
		if !do(&b.bits[at/64], 1<<(at%64)) {
			return
		}
		h += step
	}
}

func (b *bloom) add(key []byte) {
	b.each(key, func(word *uint64, bit uint64) bool { *word |= bit; return true })
}

// lacks reports that key was certainly not added.
func (b *bloom) lacks(key []byte) (lacks bool) {
	b.each(key, func(word *uint64, bit uint64) bool {
		lacks = *word&bit == 0
		return !lacks
	})
	return lacks
}

// loadTombstones adds all tombstones on disk.
func (b *bloom) loadTombstones(txn *badger.Txn) {
	it := txn.NewIterator(keysOnly)
	defer it.Close()
	for _, name := range []byte{keyGone, keyGoneAddr, keyVanished} {
		prefix := []byte{name}
		for it.Seek(prefix); it.ValidForPrefix(prefix); it.Next() {
			b.add(it.Item().Key())
		}
	}
}
