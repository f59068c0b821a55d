package sig

import (
	"fmt"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"
)

// btcecVerifier is the reference: btcec v2, one record after the other. It
// allocates; the other verifiers do not.
type btcecVerifier struct{}

func (btcecVerifier) Name() string { return Btcec }

func (btcecVerifier) Verify(batch []Record, verdicts []bool) {
	verdicts = verdicts[:len(batch)]
	for i := range batch {
		verdicts[i] = verifyBtcec(&batch[i])
	}
}

func verifyBtcec(r *Record) bool {
	// BIP-340 refuses s >= n; btcec v2.5.0 reduces it without a word.
	var s btcec.ModNScalar
	if overflow := s.SetByteSlice(r.Sig[32:]); overflow {
		return false
	}
	key, err := schnorr.ParsePubKey(r.PubKey[:])
	if err != nil {
		return false
	}
	sig, err := schnorr.ParseSignature(r.Sig[:])
	if err != nil {
		return false
	}
	return sig.Verify(r.Msg[:], key)
}

// PublicKey returns the BIP-340 public key of a secret key.
func PublicKey(secret [32]byte) ([32]byte, error) {
	key, err := privateKey(secret)
	if err != nil {
		return [32]byte{}, err
	}
	return [32]byte(schnorr.SerializePubKey(key.PubKey())), nil
}

// Sign signs msg by BIP-340 with btcec, which verifies its own signature
// before it hands it out. The nonce is deterministic (RFC 6979). It returns
// ErrSecret if secret is no key.
func Sign(secret, msg [32]byte) ([64]byte, error) {
	return sign(secret, msg)
}

// SignUnchecked is Sign without the final verification, for load generators
// that sign far more than they care for.
func SignUnchecked(secret, msg [32]byte) ([64]byte, error) {
	return sign(secret, msg, schnorr.FastSign())
}

func sign(secret, msg [32]byte, opts ...schnorr.SignOption) ([64]byte, error) {
	key, err := privateKey(secret)
	if err != nil {
		return [64]byte{}, err
	}
	s, err := schnorr.Sign(key, msg[:], opts...)
	if err != nil {
		return [64]byte{}, fmt.Errorf("sig: sign: %w", err)
	}
	return [64]byte(s.Serialize()), nil //nolint:misspell // btcec's name
}

func privateKey(secret [32]byte) (*btcec.PrivateKey, error) {
	var d btcec.ModNScalar
	if overflow := d.SetBytes(&secret); overflow != 0 || d.IsZero() {
		return nil, ErrSecret
	}
	return btcec.PrivKeyFromScalar(&d), nil
}
