package tangle

// Top refers to the others, and nothing refers to it.
func Top() int {
	local := useB()
	return local + a{}.field
}
