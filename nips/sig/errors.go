package sig

import "errors"

var (
	// ErrUnknown is the error for a name that no verifier has.
	ErrUnknown = errors.New("sig: unknown verifier")
	// ErrUnsupported is the error for a verifier whose instructions the CPU
	// lacks or that the build leaves out.
	ErrUnsupported = errors.New("not supported by this CPU or build")
	// ErrSelfTest is the error for a verifier that disagreed with BIP-340 or
	// with btcec.
	ErrSelfTest = errors.New("self-test failed")
	// ErrSecret is the error for a secret key outside 1..n-1.
	ErrSecret = errors.New("sig: secret key is zero or not below the group order")
)
