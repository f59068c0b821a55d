package relay

import (
	"errors"
	"fmt"

	"moa/nips/event"
	"moa/nips/sig"
)

// Identity is the relay's own key, by which it signs what it says itself. The
// secret does not leave it: however an Identity is printed, it is the public
// key.
type Identity struct {
	pubKey event.PubKey
	secret [32]byte
}

// NewIdentity returns the identity of a secret key, or an error that does not
// repeat it.
func NewIdentity(secret [32]byte) (*Identity, error) {
	pk, err := sig.PublicKey(secret)
	if err != nil {
		return nil, fmt.Errorf("relay: identity: %w", err)
	}
	return &Identity{pubKey: pk, secret: secret}, nil
}

// PubKey is the public key, NIP-11's `self`.
func (id *Identity) PubKey() event.PubKey { return id.pubKey }

// Format keeps every verb of package fmt away from the secret.
func (id Identity) Format(f fmt.State, _ rune) { fmt.Fprint(f, id.pubKey.String()) }

// Sign completes an event that has its time, kind, tags and content.
func (id *Identity) Sign(e event.Event) (*event.Event, error) {
	e.PubKey = id.pubKey
	e.ID = event.ComputeID(&e)
	var err error
	if e.Sig, err = sig.Sign(id.secret, e.ID); err != nil {
		return nil, err
	}
	return event.Parse(e.Append(nil))
}

// identify gives a configuration the public key of the relay's own key.
func (c *Config) identify(id *Identity) error {
	if id == nil && c.Members.Enabled {
		return errors.New("relay: members.enabled: it needs the relay's own key: self.key or self.key_file")
	}
	if id == nil {
		return nil
	}
	key := id.PubKey().String()
	if c.Info.Self != "" && c.Info.Self != key {
		return fmt.Errorf("relay: info.self: it is not %s, the public key of the relay's own key", key)
	}
	c.Info.Self = key
	return nil
}
