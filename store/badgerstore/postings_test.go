package badgerstore

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Lists hold what was inserted and not removed, in order, whichever end it came
// and went at.
func TestPostsAreSortedLists(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 0))
	p := newPostings()
	want := map[uint64][]uint32{}
	place := func(slot uint32) func([]uint32) int {
		return func(list []uint32) int { i, _ := slices.BinarySearch(list, slot); return i }
	}
	low, high := uint32(1<<20), uint32(1<<20)
	for step := range 200_000 {
		hash := random.Uint64N(40)
		if hash > 3 {
			hash += 40 * random.Uint64N(50) // most are short
		}
		list := want[hash]
		if grow := step/20_000%2 == 0; grow && random.IntN(3) > 0 || len(list) == 0 {
			var slot uint32
			switch random.IntN(4) {
			case 0:
				low--
				slot = low
			case 1:
				slot = low + random.Uint32N(high-low+1)
			default:
				high++
				slot = high
			}
			i, there := slices.BinarySearch(list, slot)
			if there {
				continue
			}
			p.insert(hash, slot, place(slot))
			want[hash] = slices.Insert(list, i, slot)
			continue
		}
		i := 0
		if random.IntN(3) == 0 {
			i = random.IntN(len(list))
		}
		slot := list[i]
		if list = slices.Delete(list, i, i+1); len(list) == 0 {
			delete(want, hash)
		} else {
			want[hash] = list
		}
		p.remove(hash, slot, place(slot))
	}
	if p.len() != len(want) {
		t.Fatalf("%d lists, want %d", p.len(), len(want))
	}
	for hash, list := range want {
		if got := p.list(hash, new([]uint32)); !slices.Equal(got, list) {
			t.Fatalf("list %d: %v, want %v", hash, got, list)
		}
	}
	n, slot := 0, uint32(0)
	for _, list := range want {
		slot = list[len(list)/2]
	}
	for hash, list := range want {
		if i := slices.Index(list, slot); i >= 0 {
			n++
			if want[hash] = slices.Delete(list, i, i+1); len(list) == 1 {
				delete(want, hash)
			}
		}
	}
	if got := p.removeEverywhere(slot); got != n || n == 0 || p.len() != len(want) {
		t.Errorf("it was in %d lists, want %d; %d are left, want %d", got, n, p.len(), len(want))
	}
	for hash, list := range want {
		if got := p.list(hash, new([]uint32)); !slices.Equal(got, list) {
			t.Fatalf("list %d: %v, want %v", hash, got, list)
		}
	}
}

// A list grows at both ends in steps that do not depend on its length.
func TestLongListsGrowCheaplyAtBothEnds(t *testing.T) {
	p := newPostings()
	const n = 400_000 // takes minutes if each step moves them all
	for i := range uint32(n) {
		p.insert(1, n-i, func([]uint32) int { return 0 })
		p.insert(1, n+1+i, func(list []uint32) int { return len(list) })
	}
	for i := range uint32(n) {
		p.remove(1, i+1, nil)
		p.insert(1, 2*n+1+i, func(list []uint32) int { return len(list) })
	}
	list := p.list(1, nil)
	if len(list) != 2*n || list[0] != n+1 || !slices.IsSorted(list) || cap(p.long[0].buf) > 8*n {
		t.Errorf("%d entries from %d on, room for %d", len(list), list[0], cap(p.long[0].buf))
	}
}
