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
	var votes [64]int32
	var window uint64 // the last four letters, 16 bits each
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		window = window<<16 | uint64(unicode.ToLower(r))&0xffff
		if letters++; letters > simRunes {
			break
		}
		if letters < simGram {
			continue
		}
		h := mix(window)
		for i := range votes {
			votes[i] += int32(h>>i&1)<<1 - 1
		}
	}
	for i, v := range votes {
		if v > 0 {
			hash |= 1 << i
		}
	}
	return hash, letters
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
