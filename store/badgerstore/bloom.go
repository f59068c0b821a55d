package badgerstore

import (
	"hash/maphash"

	badger "github.com/dgraph-io/badger/v4"
)

// bloom tells in memory which keys certainly do not exist: tombstones and ids,
// for nearly every event that is looked up there is not. It is made of Bloom
// filters:
//
//  1. A key is added to the newest of them, unless it may be there already.
//  2. One that has a key for every 16 bits is full: one answer in some hundreds is
//     wrong. Another one is made then, as large as all so far.
//  3. When there is no memory for another one, the newest takes what comes, and
//     saves less and less.
//
// So clients that make tombstones do not make other events' commits ask the disk.
// It is used by the writer alone.
type bloom struct {
	seed    maphash.Seed
	filters [][]uint64
	room    int // of the newest, in keys
	size    int // of all, in bits
	most    int // of size
}

const (
	tombstoneBits = 1 << 23 // 1 MB, at first
	idBits        = 1 << 26 // 8 MB, at first, or as much as there are
	bloomBitsMost = 1 << 30
	bloomBitsEach = 16 // for a key
	bloomHashes   = 4
)

func newBloom(bits, most int) *bloom {
	b := &bloom{seed: maphash.MakeSeed(), most: most}
	b.grow(bits)
	return b
}

func (b *bloom) grow(bits int) {
	b.filters = append(b.filters, make([]uint64, bits/64))
	b.room, b.size = bits/bloomBitsEach, b.size+bits
}

// each calls do with the word and the bit of every hash until do returns false.
func each(filter []uint64, h uint64, do func(word *uint64, bit uint64) bool) {
	step := h>>32 | 1
	for range bloomHashes {
		at := h % uint64(len(filter)*64)
		if !do(&filter[at/64], 1<<(at%64)) {
			return
		}
		h += step
	}
}

func (b *bloom) add(key []byte) {
	h := maphash.Bytes(b.seed, key)
	if !b.lacksHash(h) {
		return
	}
	if b.room == 0 && 2*b.size <= b.most {
		b.grow(b.size)
	}
	b.room = max(0, b.room-1)
	each(b.filters[len(b.filters)-1], h, func(word *uint64, bit uint64) bool { *word |= bit; return true })
}

// lacks reports that key was certainly not added.
func (b *bloom) lacks(key []byte) bool { return b.lacksHash(maphash.Bytes(b.seed, key)) }

func (b *bloom) lacksHash(h uint64) bool {
	for _, filter := range b.filters {
		lacks := false
		each(filter, h, func(word *uint64, bit uint64) bool {
			lacks = *word&bit == 0
			return !lacks
		})
		if !lacks {
			return false
		}
	}
	return true
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
