package relaytest

import (
	"testing"
	"time"

	"github.com/btcsuite/btcd/btcec/v2"
	"github.com/btcsuite/btcd/btcec/v2/schnorr"

	"moa/nips/event"
	"moa/nips/sig"
)

// Key is somebody who signs.
type Key struct {
	Secret [32]byte
	PubKey event.PubKey
}

// NewKey returns the n-th key, always the same, n from 1.
func NewKey(n byte) Key {
	k := Key{Secret: [32]byte{31: n, 0: 1}}
	_, pub := btcec.PrivKeyFromBytes(k.Secret[:])
	copy(k.PubKey[:], schnorr.SerializePubKey(pub))
	return k
}

// Hex is the public key as tags have it.
func (k Key) Hex() string { return k.PubKey.String() }

// Sign completes an event. A CreatedAt of 0 becomes now.
func (k Key) Sign(t testing.TB, e event.Event) *event.Event {
	t.Helper()
	if e.CreatedAt == 0 {
		e.CreatedAt = time.Now().Unix()
	}
	e.PubKey = k.PubKey
	e.ID = event.ComputeID(&e)
	var err error
	if e.Sig, err = sig.SignUnchecked(k.Secret, e.ID); err != nil {
		t.Fatal(err)
	}
	e.Raw = e.Append(nil)
	if parsed, err := event.ParseTrusted(e.Raw); err == nil {
		return parsed
	}
	return &e // a relay must refuse it
}

// Note signs a kind 1.
func (k Key) Note(t testing.TB, text string, tags ...event.Tag) *event.Event {
	t.Helper()
	return k.Sign(t, event.Event{Kind: 1, Content: text, Tags: tags})
}

// Auth signs the answer to a challenge (NIP-42).
func (k Key) Auth(t testing.TB, url, challenge string) *event.Event {
	t.Helper()
	return k.Sign(t, event.Event{Kind: event.KindAuth, Tags: []event.Tag{{"relay", url}, {"challenge", challenge}}})
}
