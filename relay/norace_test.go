//go:build !race

package relay_test

const scale = 1
