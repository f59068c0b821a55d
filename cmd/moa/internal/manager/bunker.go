package manager

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/nbd-wtf/go-nostr" // connections to relays and the encryption; it is used for negentropy already
	"github.com/nbd-wtf/go-nostr/nip44"

	"moa/nips/event"
)

const (
	bunkerTime = 2 * time.Minute  // a person may have to allow it
	reachTime  = 10 * time.Second // for a relay of the bunker
	askTime    = 15 * time.Second // after which a bunker that says nothing is asked for a connection again
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
		signed, err := signBy(ctx, u, hex.EncodeToString(client[:]), allow, &e)
		if err != nil {
			return nil, fmt.Errorf("the bunker: %w", err)
		}
		return signed, nil
	}
}

func signBy(ctx context.Context, u *url.URL, secret string, allow func(string), e *event.Event) (*event.Event, error) {
	b := &bunker{key: u.Host, secret: secret, allow: allow, answers: make(chan answer)}
	var err error
	if b.shared, err = nip44.GenerateConversationKey(u.Host, secret); err != nil {
		return nil, err
	}
	defer b.close()
	if err := b.reach(ctx, u.Query()["relay"]); err != nil {
		return nil, err
	}
	if err := b.connect(ctx, u.Query().Get("secret")); err != nil {
		return nil, err
	}
	asked, err := json.Marshal(map[string]any{"kind": e.Kind, "created_at": e.CreatedAt, "tags": e.Tags, "content": e.Content})
	if err != nil {
		return nil, err
	}
	text, err := b.ask(ctx, 0, "sign_event", string(asked))
	if err != nil {
		return nil, err
	}
	return event.Parse([]byte(text))
}

// bunker is one that can be asked, over relays that have the subscription to its answers:
// none is lost.
type bunker struct {
	key     string // public
	secret  string // of the caller
	shared  [32]byte
	allow   func(url string)
	relays  []*nostr.Relay
	answers chan answer
}

type question struct {
	ID     string   `json:"id"`
	Method string   `json:"method"`
	Params []string `json:"params"`
}

type answer struct {
	ID     string `json:"id"`
	Result string `json:"result"`
	Error  string `json:"error"`
}

// reach connects to those of the relays that can be reached. The answers come until ctx
// ends.
func (b *bunker) reach(ctx context.Context, urls []string) error {
	type reached struct {
		relay *nostr.Relay
		err   error
	}
	all := make(chan reached)
	for _, at := range urls {
		go func() {
			relay, err := b.subscribe(ctx, at)
			all <- reached{relay, err}
		}()
	}
	var failed error
	for range urls {
		if r := <-all; r.err != nil {
			failed = errors.Join(failed, r.err)
		} else {
			b.relays = append(b.relays, r.relay)
		}
	}
	if len(b.relays) == 0 {
		return failed
	}
	return nil
}

// subscribe connects to a relay, and returns once the subscription to answers is there.
func (b *bunker) subscribe(ctx context.Context, at string) (_ *nostr.Relay, err error) {
	reaching, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	relay, err := nostr.RelayConnect(reaching, at)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", at, err)
	}
	mine, err := nostr.GetPublicKey(b.secret)
	if err != nil {
		return nil, errors.Join(err, relay.Close())
	}
	sub, err := relay.Subscribe(ctx, nostr.Filters{{Kinds: []int{nostr.KindNostrConnect}, Authors: []string{b.key}, Tags: nostr.TagMap{"p": {mine}}}})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", at, err), relay.Close())
	}
	select {
	case <-sub.EndOfStoredEvents:
		go b.read(ctx, sub.Events)
		return relay, nil
	case why := <-sub.ClosedReason:
		err = fmt.Errorf("%s: %s", at, why)
	case <-reaching.Done():
		err = fmt.Errorf("%s does not answer", at)
	}
	return nil, errors.Join(err, relay.Close())
}

// read passes on what a relay has of the bunker.
func (b *bunker) read(ctx context.Context, events <-chan *nostr.Event) {
	for e := range events {
		text, err := nip44.Decrypt(e.Content, b.shared)
		var a answer
		if err != nil || json.Unmarshal([]byte(text), &a) != nil {
			continue // it is for nobody
		}
		select {
		case b.answers <- a:
		case <-ctx.Done():
			return
		}
	}
}

func (b *bunker) close() {
	for _, relay := range b.relays {
		_ = relay.Close() // nothing more is wanted of it
	}
}

// connect makes the caller known. A bunker that knows it already may refuse, and sign.
func (b *bunker) connect(ctx context.Context, secret string) error {
	_, err := b.ask(ctx, askTime, "connect", b.key, secret)
	if err == nil || ctx.Err() != nil {
		return err
	}
	if _, unknown := b.ask(ctx, 0, "get_public_key"); unknown != nil {
		return err
	}
	return nil
}

// ask returns what the bunker answers. It asks again after each time of silence; 0: never.
func (b *bunker) ask(ctx context.Context, again time.Duration, method string, params ...string) (string, error) {
	q := question{rand.Text(), method, append([]string{}, params...)}
	lost, err := b.send(ctx, &q)
	if err != nil {
		return "", err
	}
	var silent <-chan time.Time
	if again > 0 {
		ticker := time.NewTicker(again)
		defer ticker.Stop()
		silent = ticker.C
	}
	for {
		select {
		case a := <-b.answers:
			switch {
			case a.ID != q.ID: // a relay may have been slower than another
			case a.Result == "auth_url":
				b.allow(a.Error)
			case a.Error != "":
				return "", errors.New(a.Error)
			default:
				return a.Result, nil
			}
		case err := <-lost:
			return "", err
		case <-silent:
			if lost, err = b.send(ctx, &q); err != nil {
				return "", err
			}
		case <-ctx.Done():
			return "", errors.New("it does not answer")
		}
	}
}

// send publishes a question to all relays. lost says that none of them takes it.
func (b *bunker) send(ctx context.Context, q *question) (lost <-chan error, err error) {
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	content, err := nip44.Encrypt(string(text), b.shared)
	if err != nil {
		return nil, err
	}
	e := nostr.Event{Kind: nostr.KindNostrConnect, CreatedAt: nostr.Now(), Tags: nostr.Tags{{"p", b.key}}, Content: content}
	if err := e.Sign(b.secret); err != nil {
		return nil, err
	}
	refused := make(chan error, len(b.relays))
	for _, relay := range b.relays {
		go func() { refused <- relay.Publish(ctx, e) }()
	}
	all := make(chan error, 1)
	go func() {
		var failed error
		for range b.relays {
			err := <-refused
			if err == nil {
				return
			}
			failed = errors.Join(failed, err)
		}
		all <- failed
	}()
	return all, nil
}
