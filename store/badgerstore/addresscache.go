package badgerstore

import (
	"container/list"
	"sync"
)

// addressCache holds where an address was found to lead, least recently used first
// out: profiles and relay lists are asked for again and again, long after they
// have left the hot index. It also knows addresses that have no event.
//
// It is exact: what a commit has changed is forgotten when it is
// durable, and what a reader finds is kept only if nothing was forgotten
// since its transaction began.
type addressCache struct {
	max int64 // bytes

	mu     sync.Mutex // guards the following
	gen    uint64     // counts what was forgotten
	used   int64
	order  *list.List // of *addressEntry, the most recently used first
	byKey  map[string]*list.Element
	byTail map[tail]*list.Element
}

type addressEntry struct {
	key     string
	tail    tail
	ok      bool   // there is an event
	version uint64 // of the transaction that found it
}

func newAddressCache(max int64) *addressCache {
	return &addressCache{max: max, order: list.New(), byKey: map[string]*list.Element{}, byTail: map[tail]*list.Element{}}
}

// addressCost is what an entry takes, about, in bytes.
const addressCost = 320

// generation is to be asked before a reader's transaction begins.
func (c *addressCache) generation() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gen
}

// lookUp returns the tail that key leads to, and ok false if it leads nowhere.
// It does not know what a transaction of that version may not see: if such an
// event is replaced before it is read, its reader would find neither.
func (c *addressCache) lookUp(key []byte, version uint64) (t tail, ok, known bool) {
	if c.max <= 0 {
		return t, false, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	el, known := c.byKey[string(key)]
	if !known || el.Value.(*addressEntry).version > version {
		return t, false, false
	}
	c.order.MoveToFront(el)
	e := el.Value.(*addressEntry)
	return e.tail, e.ok, true
}

// keep keeps where key leads, found by a reader of that generation.
func (c *addressCache) keep(gen uint64, key []byte, e addressEntry) {
	if c.max <= 0 {
		return
	}
	e.key = string(key)
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.byKey[e.key]; ok || gen != c.gen {
		return
	}
	el := c.order.PushFront(&e)
	c.byKey[e.key] = el
	if e.ok {
		c.byTail[e.tail] = el
	}
	c.used += addressCost
	for c.used > c.max {
		c.dropLocked(c.order.Back())
	}
}

func (c *addressCache) dropLocked(el *list.Element) {
	e := c.order.Remove(el).(*addressEntry)
	delete(c.byKey, e.key)
	if c.byTail[e.tail] == el {
		delete(c.byTail, e.tail)
	}
	c.used -= addressCost
}

// forget follows a commit.
func (c *addressCache) forget(by *change) {
	if c.max <= 0 {
		return
	}
	if by.aliases { // their values do not tell their addresses
		c.reset()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	for i := range by.added {
		if el, ok := c.byKey[string(by.added[i].latestKey(&by.added[i].tail))]; ok {
			c.dropLocked(el)
		}
	}
	for i := range by.removed {
		if el, ok := c.byTail[by.removed[i].tail]; ok {
			c.dropLocked(el)
		}
	}
}

// reset forgets everything.
func (c *addressCache) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gen++
	c.used = 0
	c.order.Init()
	clear(c.byKey)
	clear(c.byTail)
}
