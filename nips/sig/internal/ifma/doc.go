// Package ifma verifies up to sixteen BIP-340 signatures at once in the lanes
// of AVX-512 IFMA registers. Each has its own verdict.
//
// # Layout
//
// An element of the field has five limbs of 52 bits, little-endian. A register
// holds one limb of eight lanes; two groups of eight lanes are computed side by
// side, so that one fills the latencies of the other.
//
// # Limb bounds
//
// IFMA multiplies the low 52 bits of its operands and drops the rest without a
// word. Therefore every element in memory is carried:
//
//	limbs 0-3 < 2^52, limb 4 < 2^48 + 2^12
//
// and every kernel, given carried elements, leaves carried elements. Within a
// kernel, with inputs at these bounds:
//
//   - a column of a product sums at most 10 halves below 2^52, and may start
//     from 8p (limbs below 2^54): below 2^56;
//   - folding adds at most 4 more such halves, and then it may be shifted by up
//     to three bits: below 2^60;
//   - 8p is laid out with limbs of at least 2^54 - 2^37 and, on top, 2^51 - 4, so
//     that three carried elements can be subtracted limb by limb;
//   - what a column below 2^60 carries on is below 2^8, or 2^12 out of limb 4;
//     the latter, times 2^256 - p, is below 2^45 and added before the carry.
//
// The tests run the kernels at the extremes of these bounds against math/big:
// random elements do not come near them.
//
// # Exceptional lanes
//
// The additions are incomplete. A sum that the formulas do not cover leaves
// Z = 0, which all later steps keep. A signer can force
// that in the sum of s*G and -e*P, which is completed (addExceptions). The additions within
// each of the two meet equal points only if half-length parts of the hash e
// collide with a digit, or at s = 0, whose sum is completed too; such a lane is
// reported as undecided, and the caller needs a complete verifier for it.
package ifma
