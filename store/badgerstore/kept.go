package badgerstore

import (
	"container/list"
	"sync"
)

// kept holds where an address was found to lead, least recently used first
// out: profiles and relay lists are asked for again and again, long after they
// have left the hot index. It also knows addresses that have no event.
//
// It is exact: what a commit has changed is forgotten when it is
// durable, and what a reader finds is kept only if nothing was forgotten
// since its transaction began.
type kept struct {
	max int64 // bytes

	mu     sync.Mutex // guards the following
	gen    uint64     // counts what was forgotten
	used   int64
	order  *list.List // of *keptEntry, the most recently used first
	byKey  map[string]*list.Element
	byTail map[tail]*list.Element
}

type keptEntry struct {
	key     string
	tail    tail
	ok      bool   // there is an event
	version uint64 // of the transaction that found it
}

func newKept(max int64) *kept {
	return &kept{max: max, order: list.New(), byKey: map[string]*list.Element{}, byTail: map[tail]*list.Element{}}
}

// keptCost is what an entry takes, about, in bytes.
const keptCost = 320

// generation is to be asked before a reader's transaction begins.
func (k *kept) generation() uint64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.gen
}

// lookUp returns the tail that key leads to, and ok false if it leads nowhere.
// It does not know what a transaction of that version may not see: if such an
// event is replaced before it is read, its reader would find neither.
func (k *kept) lookUp(key []byte, version uint64) (t tail, ok, known bool) {
	if k.max <= 0 {
		return t, false, false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	el, known := k.byKey[string(key)]
	if !known || el.Value.(*keptEntry).version > version {
		return t, false, false
	}
	k.order.MoveToFront(el)
	e := el.Value.(*keptEntry)
	return e.tail, e.ok, true
}

// keep keeps where key leads, found by a reader of that generation.
func (k *kept) keep(gen uint64, key []byte, e keptEntry) {
	if k.max <= 0 {
		return
	}
	e.key = string(key)
	k.mu.Lock()
	defer k.mu.Unlock()
	if _, ok := k.byKey[e.key]; ok || gen != k.gen {
		return
	}
	el := k.order.PushFront(&e)
	k.byKey[e.key] = el
	if e.ok {
		k.byTail[e.tail] = el
	}
	k.used += keptCost
	for k.used > k.max {
		k.dropLocked(k.order.Back())
	}
}

func (k *kept) dropLocked(el *list.Element) {
	e := k.order.Remove(el).(*keptEntry)
	delete(k.byKey, e.key)
	if k.byTail[e.tail] == el {
		delete(k.byTail, e.tail)
	}
	k.used -= keptCost
}

// forget follows a commit.
func (k *kept) forget(c *change) {
	if k.max <= 0 {
		return
	}
	if c.aliases { // their values do not tell their addresses
		k.reset()
		return
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gen++
	for i := range c.added {
		if el, ok := k.byKey[string(c.added[i].latestKey(&c.added[i].tail))]; ok {
			k.dropLocked(el)
		}
	}
	for i := range c.removed {
		if el, ok := k.byTail[c.removed[i].tail]; ok {
			k.dropLocked(el)
		}
	}
}

// reset forgets everything.
func (k *kept) reset() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.gen++
	k.used = 0
	k.order.Init()
	clear(k.byKey)
	clear(k.byTail)
}
