package badgerstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strconv"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"
)

// writes are the keys of a commit, in the order in which they were written.
// Their memory is used again for the next commit.
type writes struct {
	list []write
	keys []byte // memory for the keys of the list
}

type write struct {
	key, value []byte
	remove     bool
}

// add copies the key, and keeps the value.
func (w *writes) add(key, v []byte, remove bool) []byte {
	at := len(w.keys)
	w.keys = append(w.keys, key...)
	key = w.keys[at:len(w.keys):len(w.keys)]
	w.list = append(w.list, write{key, v, remove})
	return key
}

// reset forgets the writes, once they are committed or given up.
func (w *writes) reset() {
	clear(w.list)
	w.list, w.keys = w.list[:0], w.keys[:0]
}

// fewWrites are committed by a transaction: the loader begins with 640 KB of
// memory.
const fewWrites = 256

// commit makes the writes durable as one version, all or none of them. txn is
// a transaction that collects.
func (w *writes) commit(db *badger.DB, txn *badger.Txn, version uint64) error {
	if len(w.list) > fewWrites {
		return w.load(db, version)
	}
	for _, op := range w.list {
		if readBack(op.key) {
			continue // txn has it, and would count its bytes twice
		}
		var err error
		if op.remove {
			err = txn.Delete(op.key)
		} else {
			err = txn.Set(op.key, op.value)
		}
		if err != nil {
			return err
		}
	}
	return txn.CommitAt(version, nil)
}

// What Badger marks the entries of a transaction with (value.go, db.go): it
// replays them after a crash only if the end of the transaction follows.
const (
	metaRemove = 1 << 0
	metaTxn    = 1 << 6
	metaTxnEnd = 1 << 7
	txnEndKey  = "!badger!txn"
)

// load commits what a transaction would, in the order of the keys: one after
// the other, they are neighbours in Badger's skip list, whose search is most of
// what a commit costs. A transaction would write them in the order of a map.
func (w *writes) load(db *badger.DB, version uint64) error {
	order := w.sorted()
	loader := db.NewKVLoader(1)
	kv := &pb.KV{Version: version, Meta: []byte{0}}
	for i, p := range order {
		op := &w.list[p.at]
		if i+1 < len(order) && bytes.Equal(op.key, w.list[order[i+1].at].key) {
			continue // written again later
		}
		kv.Key, kv.Value, kv.Meta[0] = op.key, op.value, metaTxn
		if op.remove {
			kv.Meta[0] |= metaRemove
		}
		if err := loader.Set(kv); err != nil {
			return err
		}
	}
	kv.Key, kv.Value, kv.Meta[0] = []byte(txnEndKey), strconv.AppendUint(nil, version, 10), metaTxnEnd
	if err := loader.Set(kv); err != nil {
		return err
	}
	return loader.Finish()
}

// place is where a write stands in the list, with the first 8 bytes of its key.
type place struct {
	head uint64
	at   uint32
}

// sorted returns the list's places in the order of the keys; what is written
// twice, in the order in which it was.
func (w *writes) sorted() []place {
	places := make([]place, len(w.list))
	for i := range w.list {
		var head [8]byte
		copy(head[:], w.list[i].key)
		places[i] = place{binary.BigEndian.Uint64(head[:]), uint32(i)}
	}
	slices.SortFunc(places, func(a, b place) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		if c := bytes.Compare(w.list[a.at].key, w.list[b.at].key); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	return places
}
