//go:build moa_btcec

package sig

// forced is the name of the verifier that the build tags force on Auto.
const forced = Btcec
