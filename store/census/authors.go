package census

import (
	"slices"

	"moa/nips/event"
)

// MostAuthors are counted one by one, in some 12 MB. Up to so many all are exact.
const MostAuthors = 100_000

// authors count bytes by author in bounded memory, as Manku and Motwani's lossy counting
// does:
//
//  1. An author that is not known enters with what it may have had before: level.
//  2. When there is no room, level rises to what the middle one of all may have at most,
//     and every author that has no more than that leaves.
//  3. So no author that is not known has more than level, and of one that is known it is
//     known how much was missed at most: the level at which it entered.
//
// Each rise takes as much from half of all that are known, so level is at most 2/most of
// all bytes: with 100,000 authors none has more than 1/50,000 of all unseen.
type authors struct {
	of    map[event.PubKey]had
	most  int
	level int64
}

// had is what was counted of an author since it entered, and how much may have come before.
type had struct {
	Amount
	missed int64
}

func newAuthors(most int) authors { return authors{of: map[event.PubKey]had{}, most: most} }

func (a *authors) add(pk event.PubKey, bytes int) {
	h, known := a.of[pk]
	if !known {
		if len(a.of) >= a.most {
			a.makeRoom()
		}
		h.missed = a.level
	}
	h.add(bytes)
	a.of[pk] = h
}

func (a *authors) makeRoom() {
	upTo := make([]int64, 0, len(a.of))
	for _, h := range a.of {
		upTo = append(upTo, h.Bytes+h.missed)
	}
	slices.Sort(upTo)
	a.level = upTo[len(upTo)/2]
	for pk, h := range a.of {
		if h.Bytes+h.missed <= a.level {
			delete(a.of, pk)
		}
	}
}

// top are the n largest.
func (a *authors) top(n int) []Author {
	list := make([]Author, 0, n+1)
	for pk, h := range a.of {
		one := Author{pk, h.Amount, h.missed}
		if len(list) == n && largest(one, list[n-1]) > 0 {
			continue
		}
		at, _ := slices.BinarySearchFunc(list, one, largest)
		list = slices.Insert(list, at, one)
		list = list[:min(len(list), n)]
	}
	return list
}
