package manager

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip46" // the client of a bunker; go-nostr is used for negentropy already

	"moa/nips/event"
	"moa/relay"
)

// Signer signs an event that has all but its author, id and signature.
type Signer func(context.Context, event.Event) (*event.Event, error)

// ByKey signs by a key at hand.
func ByKey(id *relay.Identity) Signer {
	return func(_ context.Context, e event.Event) (*event.Event, error) { return id.Sign(e) }
}

const (
	bunkerTime  = 2 * time.Minute  // a person may have to allow it
	connectTime = 15 * time.Second // after which a connection is asked for again
)

// ParseBunker reads the URL of a bunker. No error repeats it, for it holds a secret.
func ParseBunker(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "bunker" || !nostr.IsValidPublicKey(u.Host) || len(u.Query()["relay"]) == 0 {
		return nil, errors.New("want bunker://PUBKEY?relay=wss://…&secret=…")
	}
	return u, nil
}

// ByBunker has a bunker sign (NIP-46), which knows the caller by a secret key. allow is
// told of a URL at which a person must allow it.
func ByBunker(u *url.URL, client [32]byte, allow func(url string)) Signer {
	return func(ctx context.Context, e event.Event) (*event.Event, error) {
		ctx, cancel := context.WithTimeout(ctx, bunkerTime)
		defer cancel()
		b, err := connect(ctx, u, hex.EncodeToString(client[:]), allow)
		if err != nil {
			return nil, fmt.Errorf("the bunker: %w", err)
		}
		asked := nostr.Event{Kind: int(e.Kind), CreatedAt: nostr.Timestamp(e.CreatedAt), Content: e.Content}
		for _, t := range e.Tags {
			asked.Tags = append(asked.Tags, nostr.Tag(t))
		}
		if err := b.SignEvent(ctx, &asked); err != nil {
			return nil, fmt.Errorf("the bunker: %w", err)
		}
		text, err := json.Marshal(asked)
		if err != nil {
			return nil, err
		}
		return event.Parse(text)
	}
}

// connect reaches a bunker. It asks again what is not answered: a relay may not have had
// the subscription when the answer came. A bunker that knows the caller already may
// refuse another connection, and sign.
func connect(ctx context.Context, u *url.URL, client string, allow func(string)) (*nip46.BunkerClient, error) {
	pool := nostr.NewSimplePool(ctx)
	relays := u.Query()["relay"]
	reached := false
	var unreached error
	for _, at := range relays {
		_, err := pool.EnsureRelay(at)
		reached = reached || err == nil
		unreached = errors.Join(unreached, err)
	}
	if !reached {
		return nil, unreached
	}
	b := nip46.NewBunker(ctx, client, u.Host, relays, pool, allow)
	for {
		once, cancel := context.WithTimeout(ctx, connectTime)
		_, err := b.RPC(once, "connect", []string{u.Host, u.Query().Get("secret")})
		silent := once.Err() != nil
		cancel()
		switch {
		case err == nil:
			return b, nil
		case ctx.Err() != nil:
			return nil, errors.New("it does not answer")
		case silent:
			continue
		}
		if _, known := b.GetPublicKey(ctx); known != nil {
			return nil, err
		}
		return b, nil
	}
}
