package badgerstore

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"slices"

	badger "github.com/dgraph-io/badger/v4"

	"moa/nips/event"
	"moa/store"
)

// ErrIndex says that the keys that were made anew are not those of the events.
var ErrIndex = errors.New("the new index does not fit the events")

// tally is how many keys there are, and a sum over them and what they hold, in any
// order: two of the same seed are equal if the keys are, but for a chance of 2^-64.
type tally struct {
	keys int
	sum  uint64
}

// tallied are the keys that follow from the events that there are, and lead to them.
var tallied = slices.Concat([]byte{keyRecord, keyLatest}, indexKeys)

func (t *tally) add(seed maphash.Seed, key, value []byte) {
	var h maphash.Hash
	h.SetSeed(seed)
	_, _ = h.Write(key)
	_ = h.WriteByte(byte(len(value))) // a tail or nothing
	_, _ = h.Write(value)
	t.keys++
	t.sum += h.Sum64()
}

// event adds the keys of n, which holds e.
func (t *tally) event(seed maphash.Seed, e *event.Event, n *stored) {
	t.add(seed, recordKey(&n.tail), nil)
	n.keys(&n.tail, func(key []byte) {
		if key[0] == keyID {
			t.add(seed, key, n.tail[:])
		} else {
			t.add(seed, key, nil)
		}
	})
	if a, ok := store.AddressOf(e); ok {
		t.add(seed, addressKey(keyLatest, a), n.tail[:])
	}
}

// prove reads the new keys, and wants those of the events and no others, and no bar
// that keeps out what is stored. It reads them in their order, and so costs a fraction
// of what Check does, which looks for each.
func (p *repairer) prove(ctx context.Context) error {
	txn, err := p.s.versions.beginWhole()
	if err != nil {
		return err
	}
	defer p.s.versions.finish(txn)
	c := &checker{s: p.s, txn: txn, report: new(Report)}
	var have tally
	for _, name := range tallied {
		err := c.each(ctx, name, func(item *badger.Item) error {
			return item.Value(func(v []byte) error {
				have.add(p.seed, item.Key(), v)
				return nil
			})
		})
		if err != nil {
			return err
		}
	}
	if err := c.bars(ctx); err != nil {
		return err
	}
	switch problems := c.report.Problems; {
	case have.keys != p.want.keys:
		return fmt.Errorf("%w: it has %d keys, want %d", ErrIndex, have.keys, p.want.keys)
	case have != p.want:
		return fmt.Errorf("%w: its %d keys are others, or hold something else", ErrIndex, have.keys)
	case len(problems) > 0:
		return fmt.Errorf("%w: %s", ErrIndex, problems[0])
	}
	return nil
}
