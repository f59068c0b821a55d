package nip19

import (
	"errors"
	"strings"
)

// Bech32 is of BIP-173, without its limit of 90 characters, as NIP-19 has it.
const alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

var errBech32 = errors.New("not bech32, or mistyped")

// step feeds one group of five bits to the checksum.
func step(sum uint32, v byte) uint32 {
	top := sum >> 25
	sum = (sum&0x1ffffff)<<5 ^ uint32(v)
	for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
		if top>>i&1 == 1 {
			sum ^= g
		}
	}
	return sum
}

// begin feeds the prefix to a new checksum.
func begin(prefix string) uint32 {
	sum := uint32(1)
	for i := range len(prefix) {
		sum = step(sum, prefix[i]>>5)
	}
	sum = step(sum, 0)
	for i := range len(prefix) {
		sum = step(sum, prefix[i]&31)
	}
	return sum
}

// decode reads bech32 in lower case or in upper case.
func decode(s string) (prefix string, data []byte, err error) {
	lower := strings.ToLower(s)
	if s != lower && s != strings.ToUpper(s) {
		return "", nil, errBech32
	}
	one := strings.LastIndexByte(lower, '1')
	if one < 1 || len(lower)-one-1 < 6 {
		return "", nil, errBech32
	}
	prefix, body := lower[:one], lower[one+1:]
	sum := begin(prefix)
	var bits uint32
	n := 0
	for i := range len(body) {
		v := strings.IndexByte(alphabet, body[i])
		if v < 0 {
			return "", nil, errBech32
		}
		sum = step(sum, byte(v))
		if i >= len(body)-6 {
			continue // the checksum itself
		}
		bits = bits<<5 | uint32(v)
		if n += 5; n >= 8 {
			n -= 8
			data = append(data, byte(bits>>n))
		}
	}
	if sum != 1 || n >= 5 || bits&(1<<n-1) != 0 {
		return "", nil, errBech32
	}
	return prefix, data, nil
}

// encode writes bech32 in lower case, as the prefix must be.
func encode(prefix string, data []byte) string {
	out := append([]byte(prefix), '1')
	sum := begin(prefix)
	put := func(v byte) {
		sum = step(sum, v)
		out = append(out, alphabet[v])
	}
	var bits uint32
	n := 0
	for _, b := range data {
		bits = bits<<8 | uint32(b)
		for n += 8; n >= 5; {
			n -= 5
			put(byte(bits >> n & 31))
		}
	}
	if n > 0 {
		put(byte(bits << (5 - n) & 31))
	}
	for range 6 {
		sum = step(sum, 0)
	}
	sum ^= 1
	for i := range 6 {
		out = append(out, alphabet[sum>>(5*(5-i))&31])
	}
	return string(out)
}
