package badgerstore

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"slices"
	"sort"

	badger "github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/pb"

	"moa/store/badgerstore/internal/records"
)

// writes are the keys of a commit, in the order in which they were written.
type writes struct {
	list []write
	keys []byte // memory for the keys of the list
}

type write struct {
	key, value []byte
	remove     bool
}

// add copies the key, and keeps the value.
func (w *writes) add(key, v []byte, remove bool) write {
	at := len(w.keys)
	w.keys = append(w.keys, key...)
	op := write{w.keys[at:len(w.keys):len(w.keys)], v, remove}
	w.list = append(w.list, op)
	return op
}

// records are the records among what is set.
func (w *writes) records() (list []records.Record) {
	for i := range w.list {
		if op := &w.list[i]; op.key[0] == keyRecord && !op.remove {
			t := tailOf(op.key)
			list = append(list, records.Record{Serial: uint64(t.serial()), Bytes: op.value})
		}
	}
	return list
}

// missing are the records among them that the log does not have.
func (w *writes) missing(log *records.Log) []records.Record {
	next := log.Next()
	return slices.DeleteFunc(w.records(), func(r records.Record) bool { return r.Serial < next })
}

// keysAlone takes the records away: Badger has only their keys.
func (w *writes) keysAlone() {
	for i := range w.list {
		if w.list[i].key[0] == keyRecord {
			w.list[i].value = nil
		}
	}
}

// reset forgets the writes. Their keys may be in use elsewhere.
func (w *writes) reset() {
	clear(w.list)
	w.list, w.keys = w.list[:0], make([]byte, 0, min(len(w.keys), maxKept))
}

// fewWrites are written by a transaction: a loader begins with 640 KB of
// memory.
const fewWrites = 256

// writeBadger writes the list as one version. Of what is written several times
// the last counts. Not all or nothing: the journal has it.
func writeBadger(db *badger.DB, list []write, version uint64) error {
	if len(list) <= fewWrites {
		err := writeFew(db, list, version)
		if !errors.Is(err, badger.ErrTxnTooBig) {
			return err
		}
	}
	return load(db, list, version)
}

func writeFew(db *badger.DB, list []write, version uint64) error {
	txn := db.NewTransactionAt(version, true)
	defer txn.Discard()
	for i := range list {
		var err error
		if list[i].remove {
			err = txn.Delete(list[i].key)
		} else {
			err = txn.Set(list[i].key, list[i].value)
		}
		if err != nil {
			return err
		}
	}
	return txn.CommitAt(version, nil)
}

// metaRemove is what Badger marks a removed key with (value.go).
const metaRemove = 1 << 0

// load writes in the order of the keys: one after the other, they are
// neighbours in Badger's skip list, whose search is most of what writing
// costs. A transaction would write them in the order of a map. What the state tells
// comes before it: where a log's end is lost, the state that is left tells that.
func load(db *badger.DB, list []write, version uint64) error {
	order := stateLast(sorted(list), list)
	loader := db.NewKVLoader(1)
	kv := &pb.KV{Version: version, Meta: []byte{0}}
	for i, p := range order {
		op := &list[p.at]
		if i+1 < len(order) && bytes.Equal(op.key, list[order[i+1].at].key) {
			continue // written again later
		}
		kv.Key, kv.Value, kv.Meta[0] = op.key, op.value, 0
		if op.remove {
			kv.Meta[0] = metaRemove
		}
		if err := loader.Set(kv); err != nil {
			return errors.Join(err, loader.Finish())
		}
	}
	return loader.Finish()
}

// stateLast moves the writes of the state to the end.
func stateLast(order []position, list []write) []position {
	from := sort.Search(len(order), func(i int) bool { return bytes.Compare(list[order[i].at].key, stateKey) >= 0 })
	to := from
	for to < len(order) && bytes.Equal(list[order[to].at].key, stateKey) {
		to++
	}
	states := slices.Clone(order[from:to])
	return append(slices.Delete(order, from, to), states...)
}

// position is where a write stands in the list, with the first 8 bytes of its key.
type position struct {
	head uint64
	at   uint32
}

// sorted returns the list's positions in the order of the keys; what is written
// twice, in the order in which it was.
func sorted(list []write) []position {
	positions := make([]position, len(list))
	for i := range list {
		var head [8]byte
		copy(head[:], list[i].key)
		positions[i] = position{binary.BigEndian.Uint64(head[:]), uint32(i)}
	}
	slices.SortFunc(positions, func(a, b position) int {
		if a.head != b.head {
			return cmp.Compare(a.head, b.head)
		}
		if c := bytes.Compare(list[a.at].key, list[b.at].key); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	return positions
}
