// Package nip42 makes challenges and judges the events that answer them. It
// does not verify signatures.
package nip42

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"time"

	"moa/nips/event"
	"moa/nips/relayurl"
)

// Window is how far the clocks of client and relay may be apart.
const Window = 10 * time.Minute

// NewChallenge returns 128 random bits in hex.
func NewChallenge() string {
	var b [16]byte
	rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Validate reports what is wrong with e as the answer to challenge, nil if the
// client has proved to be e.PubKey, given that the signature holds. here reports
// a URL by which the client may know where it is; its host is enough, says the
// NIP. An error's text is fit for the client.
func Validate(e *event.Event, challenge string, here func(relayurl.Location) bool, now time.Time) error {
	if e.Kind != event.KindAuth {
		return errors.New("an AUTH event is of kind 22242")
	}
	if got, _ := e.Value("challenge"); challenge == "" || got != challenge {
		return errors.New("the challenge is not the one this connection was given last")
	}
	// The times are compared as numbers: a time.Duration ends after 292 years.
	if apart := e.CreatedAt - now.Unix(); apart < -int64(Window/time.Second) || apart > int64(Window/time.Second) {
		return errors.New("created_at is more than ten minutes from the relay's time")
	}
	value, _ := e.Value("relay")
	there, err := relayurl.Parse(value)
	if err != nil || !here(there) {
		return errors.New("the relay tag names another relay")
	}
	return nil
}
