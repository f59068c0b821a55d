package corpus

import (
	"crypto/sha256"
	"encoding/binary"

	secp "github.com/decred/dcrd/dcrec/secp256k1/v4"
)

// key is a scalar whose point has an even y coordinate, and that point's x: a
// BIP-340 key pair, or a nonce and its commitment.
type key struct {
	scalar secp.ModNScalar
	x      [32]byte
}

// chain yields keys that follow from a seed and a label. Neighbours differ by
// one, so that a key costs one point addition and a share of one inversion
// instead of a scalar multiplication. That is how signing keeps up with a
// relay, and why these keys protect nothing: from one of them all others follow.
type chain struct {
	scalar secp.ModNScalar
	point  secp.JacobianPoint
	ready  []key
}

// chainBatch is how many points share one inversion.
const chainBatch = 256

func newChain(seed uint64, label string, n uint64) *chain {
	h := sha256.New()
	h.Write([]byte("moa bench " + label))
	h.Write(binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(nil, seed), n))
	c := new(chain)
	c.scalar.SetByteSlice(h.Sum(nil))
	secp.ScalarBaseMultNonConst(&c.scalar, &c.point)
	return c
}

func (c *chain) next() key {
	if len(c.ready) == 0 {
		c.fill()
	}
	k := c.ready[0]
	c.ready = c.ready[1:]
	return k
}

// fill makes the next chainBatch keys:
//  1. points c, c+G, c+2G … in Jacobian coordinates;
//  2. all 1/z with one inversion (Montgomery): products[i] = z0…zi, then from
//     the end 1/zi = products[i-1] / (z0…zi);
//  3. x/z², and the sign of y/z³ decides whether the scalar is negated.
func (c *chain) fill() {
	var one secp.ModNScalar
	one.SetInt(1)
	var g secp.JacobianPoint
	secp.ScalarBaseMultNonConst(&one, &g)

	points := make([]secp.JacobianPoint, chainBatch)
	products := make([]secp.FieldVal, chainBatch)
	scalars := make([]secp.ModNScalar, chainBatch)
	for i := range points {
		scalars[i].Set(&c.scalar)
		points[i].Set(&c.point)
		products[i].Set(&c.point.Z)
		if i > 0 {
			products[i].Mul(&products[i-1])
		}
		var sum secp.JacobianPoint
		secp.AddNonConst(&c.point, &g, &sum)
		c.point.Set(&sum)
		c.scalar.Add(&one)
	}
	inverse := new(secp.FieldVal).Set(&products[chainBatch-1]).Inverse()
	c.ready = make([]key, chainBatch)
	for i := chainBatch - 1; i >= 0; i-- {
		zi := new(secp.FieldVal).Set(inverse)
		if i > 0 {
			zi.Mul(&products[i-1])
		}
		inverse.Mul(&points[i].Z)
		c.ready[i] = affine(&scalars[i], &points[i], zi)
	}
}

func affine(scalar *secp.ModNScalar, p *secp.JacobianPoint, zInverse *secp.FieldVal) key {
	var x, y, zz secp.FieldVal
	zz.SquareVal(zInverse)
	x.Mul2(&p.X, &zz).Normalize()
	y.Mul2(&p.Y, zz.Mul(zInverse)).Normalize()
	k := key{scalar: *scalar}
	if y.IsOdd() {
		k.scalar.Negate()
	}
	x.PutBytes(&k.x)
	return k
}
