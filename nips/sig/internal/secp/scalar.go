package secp

import "crypto/sha256"

// Scalar is an integer in [0, n) in four little-endian limbs.
type Scalar [4]uint64

// Order is n, the order of the group.
var Order = Scalar{0xBFD25E8CD0364141, 0xBAAEDCE6AF48A03B, 0xFFFFFFFFFFFFFFFE, ^uint64(0)}

// SetBytes sets s to a big-endian value and reports whether it is below n.
// Otherwise s is no Scalar.
func (s *Scalar) SetBytes(b *[32]byte) bool {
	*s = loadBigEndian(b)
	return less((*[4]uint64)(s), (*[4]uint64)(&Order))
}

// Neg returns n - s, which for s = 0 is n and no Scalar.
func (s *Scalar) Neg() Scalar {
	return Scalar(subtract((*[4]uint64)(&Order), (*[4]uint64)(s)))
}

// challengeTag is SHA-256("BIP0340/challenge") twice, the prefix of a tagged
// hash.
var challengeTag = func() (tag [64]byte) {
	h := sha256.Sum256([]byte("BIP0340/challenge"))
	copy(tag[:32], h[:])
	copy(tag[32:], h[:])
	return tag
}()

// Challenge returns e = int(hash_BIP0340/challenge(bytes(R) || bytes(P) || m))
// mod n.
func Challenge(r, pubKey, msg *[32]byte) Scalar {
	var b [160]byte
	copy(b[:64], challengeTag[:])
	copy(b[64:96], r[:])
	copy(b[96:128], pubKey[:])
	copy(b[128:], msg[:])
	h := sha256.Sum256(b[:])
	var e Scalar
	if !e.SetBytes(&h) { // below 2^256 < 2n
		e = Scalar(subtract((*[4]uint64)(&e), (*[4]uint64)(&Order)))
	}
	return e
}
