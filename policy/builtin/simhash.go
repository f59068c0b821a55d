package builtin

import (
	"math/bits"
	"unicode"
)

const (
	simGram  = 4    // letters looked at together
	simRunes = 2000 // letters of a text that are looked at
	simNear  = 6    // bits in which the hashes of nearly equal texts differ at most
)

// simhash returns a hash that hardly changes when the text hardly changes
// (Charikar's), and how many letters it is made of. Only letters count, whatever
// their case: numbers, spaces, punctuation and emoji are what spam varies.
func simhash(text string) (hash uint64, letters int) {
	var votes counters
	var window uint64 // the last four letters, 16 bits each
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		window = window<<16 | uint64(unicode.ToLower(r))&0xffff
		if letters++; letters > simRunes {
			break
		}
		if letters >= simGram {
			votes.add(mix(window))
		}
	}
	grams := min(letters, simRunes) - simGram + 1
	for i := range 64 {
		if 2*votes.of(i) > grams {
			hash |= 1 << i
		}
	}
	return hash, letters
}

// counters are 64 numbers of up to simRunes, one for each bit of a word. They
// stand upright: word i holds bit i of all of them.
type counters [11]uint64

// add adds each bit of h to its counter.
func (c *counters) add(h uint64) {
	for i := 0; h != 0; i++ {
		c[i], h = c[i]^h, c[i]&h
	}
}

func (c *counters) of(bit int) (n int) {
	for i, word := range c {
		n |= int(word>>bit&1) << i
	}
	return n
}

// mix spreads every bit of x over the result (the finaliser of splitmix64).
func mix(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

func near(a, b uint64) bool { return bits.OnesCount64(a^b) <= simNear }
