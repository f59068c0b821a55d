package tangle

func useB() int { return a{field: 1}.method() }
