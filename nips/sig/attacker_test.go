package sig

import (
	"math/rand/v2"

	"github.com/btcsuite/btcd/btcec/v2"

	"moa/nips/sig/internal/secp"
)

// shape is how an attacker who knows the secret key bends a record.
type shape uint8

const (
	honest    shape = iota
	infiniteR       // s = e*d: R is infinity
	doubledR        // s = -e*d: sG = -eP, so the sum is a doubling
	oddR            // R has an odd y
	tinyS           // s is 0, 1, 2 or 3
	limitS          // s is next to n or 2^256
	limitR          // r is 0 or next to p or 2^256
	limitKey        // x of the key is 0 or next to p or 2^256
	randomKey       // x of the key is random: on the curve or not
	flipped         // one bit is flipped
	shapeCount
)

// limits32 are the encodings next to which a verifier may err.
var limits32 = [][32]byte{
	{},
	{31: 1},
	{31: 2},
	{31: 7},
	near(groupOrder, -1), groupOrder, near(groupOrder, 1),
	near(fieldPrime, -1), fieldPrime, near(fieldPrime, 1), near(fieldPrime, 2), near(fieldPrime, 3),
	unhex("ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"),
}

// near returns b + d for a last byte that has room.
func near(b [32]byte, d int) [32]byte {
	b[31] = byte(int(b[31]) + d)
	return b
}

// bent returns a record of that shape for a secret key and a nonce, which are
// taken mod n and should not be 0. pick chooses among the variants of a shape.
func bent(how shape, secret, nonce, msg [32]byte, pick int) Record {
	var d, k btcec.ModNScalar
	d.SetBytes(&secret)
	k.SetBytes(&nonce)
	limit := limits32[pick%len(limits32)]
	r := Record{Msg: msg}
	r.PubKey = evenMultiple(&d)
	copy(r.Sig[:32], bytesOf(evenMultiple(&k)))
	switch how {
	case limitR:
		copy(r.Sig[:32], limit[:])
	case limitKey:
		r.PubKey = limit
	case randomKey:
		r.PubKey = msg
		r.PubKey[0] ^= 0x55
	}
	challenge := secp.Challenge((*[32]byte)(r.Sig[:32]), &r.PubKey, &r.Msg)
	e := modN(challenge)
	var s btcec.ModNScalar
	s.Mul2(&e, &d)
	switch how {
	case infiniteR:
	case doubledR:
		s.Negate()
	case oddR:
		s.Add(k.Negate())
	case tinyS:
		s.SetInt(uint32(pick % 4))
	default:
		s.Add(&k)
	}
	s.PutBytesUnchecked(r.Sig[32:])
	switch how {
	case limitS:
		copy(r.Sig[32:], limit[:])
	case flipped:
		flipBit(&r, pick%recordBits)
	}
	return r
}

// evenMultiple returns the x of k*G and negates k if its y is odd.
func evenMultiple(k *btcec.ModNScalar) [32]byte {
	var p btcec.JacobianPoint
	btcec.ScalarBaseMultNonConst(k, &p)
	p.ToAffine()
	if p.Y.IsOdd() {
		k.Negate()
	}
	return *p.X.Bytes()
}

func bytesOf(b [32]byte) []byte { return b[:] }

// modN converts a scalar to btcec's.
func modN(s secp.Scalar) (m btcec.ModNScalar) {
	var b [32]byte
	for i := range b {
		b[31-i] = byte(s[i/8] >> (i % 8 * 8))
	}
	m.SetBytes(&b)
	return m
}

// bentRecords returns n records of all shapes, a third of them with tiny keys
// or nonces.
func bentRecords(r *rand.Rand, n int) ([]Record, []shape) {
	records, shapes := make([]Record, n), make([]shape, n)
	number := func() (b [32]byte) {
		if r.IntN(3) == 0 {
			b[31] = byte(1 + r.IntN(40))
			return b
		}
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		return b
	}
	for i := range records {
		shapes[i] = shape(r.IntN(int(shapeCount)))
		records[i] = bent(shapes[i], number(), number(), number(), r.IntN(1<<20))
	}
	return records, shapes
}
