// Package secp has the secp256k1 arithmetic to verify one BIP-340 signature:
// the field of 4x64-bit limbs, the scalars with their GLV split, Jacobian
// points and Strauss' double multiplication.
//
// Multiplication and the point formulas are pure Go or MULX/ADCX/ADOX assembly,
// chosen by a Field value. Everything exported is complete: right for every
// input, the point at infinity and doublings by accident included.
//
// Nothing here is constant-time. It is for public data only, never for a
// secret.
package secp
