//go:build race

package relay_test

// scale makes the heavy tests smaller where everything takes ten times as long.
const scale = 4
