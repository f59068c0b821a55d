package sig

import "encoding/hex"

// groupOrder is n, fieldPrime is p of secp256k1 (SEC 2, section 2.4.1).
var (
	groupOrder = unhex("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141")
	fieldPrime = unhex("fffffffffffffffffffffffffffffffffffffffffffffffffffffffefffffc2f")
)

func unhex(s string) [32]byte {
	b, err := hex.DecodeString(s)
	if err != nil {
		panic(err)
	}
	return [32]byte(b)
}
