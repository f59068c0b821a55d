package nip19

import (
	"encoding/hex"
	"errors"
	"strings"
)

var errSecretKey = errors.New("not a secret key: want nsec or 64 hex characters")

// ParseSecret reads an nsec or hex, with or without space around it. Whether it
// is a key on the curve it does not say. No error repeats what was given.
func ParseSecret(s string) (secret [32]byte, err error) {
	s = strings.TrimSpace(s)
	if len(s) == hex.EncodedLen(len(secret)) {
		if n, err := hex.Decode(secret[:], []byte(s)); err == nil && n == len(secret) {
			return secret, nil
		}
		return [32]byte{}, errSecretKey
	}
	prefix, data, err := decode(s)
	if err != nil || prefix != "nsec" || len(data) != len(secret) {
		return [32]byte{}, errSecretKey
	}
	return [32]byte(data), nil
}

// Nsec writes a secret key as an nsec.
func Nsec(secret [32]byte) string { return encode("nsec", secret[:]) }
