package tangle

type a struct{ field int }

func (x a) method() int { return x.field + useB() }
