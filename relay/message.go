package relay

import (
	"encoding/hex"
	"strconv"
	"time"

	"github.com/nbd-wtf/go-nostr" // NIP-44 and NIP-59, which are no relay's core
	"github.com/nbd-wtf/go-nostr/nip44"
	"github.com/nbd-wtf/go-nostr/nip59"

	"moa/nips/event"
)

// messageKept is how long a message is kept for its recipient to read it (NIP-40).
const messageKept = 30 * 24 * time.Hour

const kindMessage = 14 // NIP-17

// Message sends somebody a private message (NIP-17) by the relay's own key: a gift wrap that
// this relay stores, and hands to the recipient alone. No policy is asked whether it may be
// stored. It returns when the message is durable.
func (s *Server) Message(to event.PubKey, text string) error {
	if s.identity == nil {
		return ErrNoKey
	}
	wrap, err := s.identity.wrap(to, text, s.now())
	if err != nil {
		return err
	}
	return s.submitOwn(s.settings.Load(), wrap)
}

// wrap seals a message and wraps it by a key that nobody else has seen.
func (id *Identity) wrap(to event.PubKey, text string, now time.Time) (*event.Event, error) {
	secret := hex.EncodeToString(id.secret[:])
	shared, err := nip44.GenerateConversationKey(to.String(), secret)
	if err != nil {
		return nil, err
	}
	message := nostr.Event{
		PubKey: id.pubKey.String(), CreatedAt: nostr.Timestamp(now.Unix()), Kind: kindMessage,
		Tags: nostr.Tags{{"p", to.String()}}, Content: text,
	}
	message.ID = message.GetID()
	wrap, err := nip59.GiftWrap(message, to.String(),
		func(text string) (string, error) { return nip44.Encrypt(text, shared) },
		func(e *nostr.Event) error { return e.Sign(secret) },
		func(e *nostr.Event) {
			e.Tags = append(e.Tags, nostr.Tag{"expiration", strconv.FormatInt(now.Add(messageKept).Unix(), 10)})
		})
	if err != nil {
		return nil, err
	}
	return event.Parse([]byte(wrap.String()))
}
