package badgerstore

import (
	"encoding/binary"
	"testing"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store/storetest"
)

// wrong is how many of 10,000 keys that were not added the filter does not know to be
// missing.
func wrong(b *bloom, key func(n int) []byte) (n int) {
	for i := range 10_000 {
		if !b.lacks(key(-1 - i)) {
			n++
		}
	}
	return n
}

func numberedKey(n int) []byte { return binary.BigEndian.AppendUint64([]byte{keyID}, uint64(n)) }

// However many keys come, and however often each, a filter goes on telling those that
// are missing, up to the memory that it may take.
func TestABloomFilterIsNotSaturated(t *testing.T) {
	const keys, most = 200_000, 200_000 * 2 * bloomBitsEach
	b := newBloom(1024, most)
	for range 3 { // the same
		for i := range keys {
			b.add(numberedKey(i))
		}
	}
	for i := range keys {
		if b.lacks(numberedKey(i)) {
			t.Fatalf("key %d was added", i)
		}
	}
	if n := wrong(b, numberedKey); n > 500 {
		t.Errorf("of 10000 keys that were not added %d may be there", n)
	}
	if b.size > most {
		t.Errorf("it has %d bits, and may have %d", b.size, most)
	}
	for i := range 10 * keys {
		b.add(numberedKey(i))
	}
	if b.size > most {
		t.Errorf("full, it has %d bits, and may have %d", b.size, most)
	}
}

// A client that deletes what there never was makes no other event's commit ask the
// disk, also after a restart.
func TestManyTombstonesCostOthersNothing(t *testing.T) {
	const clients, each = 10, 2000
	s := smallStore(t, t.TempDir())
	defer s.Close()
	fromDisk, small := newBloom(4096, bloomBitsMost), newBloom(4096, bloomBitsMost)
	s.write.Lock()
	s.tombstones = small
	s.write.Unlock()
	for by := range clients {
		mustCommit(t, s, deletionOf(by, 1000, each))
	}
	checkSound(t, s, clients)
	if err := s.versions.view(func(txn *badger.Txn) error { fromDisk.loadTombstones(txn); return nil }); err != nil {
		t.Fatal(err)
	}
	for name, b := range map[string]*bloom{"at once": small, "after a restart": fromDisk} {
		for by := range clients {
			for _, tag := range deletionOf(by, 1000, each).Tags {
				if id, _ := event.ParseID(tag[1]); b.lacks(goneKey(id, storetest.Key(by))) {
					t.Fatalf("%s: a tombstone is not known", name)
				}
			}
		}
		other := func(n int) []byte { return goneKey(event.ID(storetest.Key(1000-n)), storetest.Key(3)) }
		if n := wrong(b, other); n > 500 {
			t.Errorf("%s: of 10000 events that nobody has deleted %d are looked up on the disk", name, n)
		}
	}
}
