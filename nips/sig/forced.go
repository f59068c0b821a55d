//go:build !moa_btcec

package sig

// forced is the name of the verifier that the build tags force on Auto: none.
// The tag purego leaves all assembly out, the tag moa_btcec forces btcec.
const forced = ""
