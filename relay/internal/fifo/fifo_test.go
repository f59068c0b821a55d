package fifo

import (
	"slices"
	"testing"
)

func TestFirstInFirstOut(t *testing.T) {
	var q Queue[int]
	var want, got []int
	for i := range 1000 {
		q.Push(i)
		want = append(want, i)
		if i%3 == 0 {
			got = append(got, q.Pop())
		}
	}
	for q.Len() > 0 {
		got = append(got, q.Pop())
	}
	if !slices.Equal(got, want) {
		t.Error("not first in, first out")
	}
}
