// Package e2e shows that the clients people use work with the relay: go-nostr
// here; nostr-tools, NDK and rust-nostr under Node beside it, as package.json says.
package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"strings"
	"testing"

	"github.com/nbd-wtf/go-nostr"

	"moa/nips/testwait"
	"moa/relay/relaytest"
	"moa/store/badgerstore"
)

// person is a go-nostr client with a key.
type person struct {
	t     *testing.T
	ctx   context.Context
	relay *nostr.Relay
	sk    string
	pk    string
}

// startRelay runs a relay on a store on disk.
func startRelay(t *testing.T) (url string) {
	t.Helper()
	st, err := badgerstore.Open(badgerstore.Options{Dir: t.TempDir(), ReserveMB: -1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	return relaytest.Start(t, relaytest.Options{Store: st}).URL
}

// freeAddr is an address that nothing listens on, and that the system gives to no
// outgoing connection meanwhile: it takes higher ports.
func freeAddr(t *testing.T) (addr string) {
	t.Helper()
	testwait.Eventually(t, "a port is free", func() bool {
		addr = fmt.Sprint("127.0.0.1:", 20_000+rand.IntN(12_000))
		ln, err := net.Listen("tcp", addr)
		if err == nil {
			ln.Close()
		}
		return err == nil
	})
	return addr
}

func connect(t *testing.T, url string) *person {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), relaytest.Patience)
	t.Cleanup(cancel)
	r, err := nostr.RelayConnect(ctx, url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	sk := nostr.GeneratePrivateKey()
	pk, err := nostr.GetPublicKey(sk)
	if err != nil {
		t.Fatal(err)
	}
	return &person{t, ctx, r, sk, pk}
}

func (p *person) sign(kind int, content string, tags ...nostr.Tag) nostr.Event {
	p.t.Helper()
	e := nostr.Event{Kind: kind, Content: content, Tags: tags, CreatedAt: nostr.Now()}
	if err := e.Sign(p.sk); err != nil {
		p.t.Fatal(err)
	}
	return e
}

func (p *person) publish(kind int, content string, tags ...nostr.Tag) nostr.Event {
	p.t.Helper()
	e := p.sign(kind, content, tags...)
	if err := p.relay.Publish(p.ctx, e); err != nil {
		p.t.Fatalf("kind %d: %v", kind, err)
	}
	return e
}

func (p *person) query(f nostr.Filter) []*nostr.Event {
	p.t.Helper()
	events, err := p.relay.QuerySync(p.ctx, f)
	if err != nil {
		p.t.Fatal(err)
	}
	return events
}

func TestGoNostrPublishesQueriesAndFollows(t *testing.T) {
	url := startRelay(t)
	alice, bob := connect(t, url), connect(t, url)
	filter := nostr.Filter{Authors: []string{alice.pk}, Kinds: []int{1}}
	sub, err := bob.relay.Subscribe(bob.ctx, nostr.Filters{filter})
	if err != nil {
		t.Fatal(err)
	}
	<-sub.EndOfStoredEvents
	contents := []string{"one", "two", "line\nquote \" \\ \u2028 <&> \u007f 🦤"}
	for _, content := range contents {
		alice.publish(1, content, nostr.Tag{"t", "moa"})
	}
	for _, want := range contents {
		select {
		case e := <-sub.Events:
			if e.Content != want {
				t.Errorf("live: %q, not %q", e.Content, want)
			}
			if ok, err := e.CheckSignature(); !ok {
				t.Errorf("live: signature: %v", err)
			}
		case <-bob.ctx.Done():
			t.Fatal("nothing live")
		}
	}
	if got := bob.query(nostr.Filter{Tags: nostr.TagMap{"t": {"moa"}}, Limit: 2}); len(got) != 2 {
		t.Errorf("%d found by tag", len(got))
	}
	n, _, err := bob.relay.Count(bob.ctx, nostr.Filters{filter})
	if err != nil || n != 3 {
		t.Errorf("count %d, %v", n, err)
	}
}

func TestGoNostrDeletes(t *testing.T) {
	url := startRelay(t)
	alice := connect(t, url)
	note := alice.publish(1, "oops")
	alice.publish(5, "", nostr.Tag{"e", note.ID})
	if got := alice.query(nostr.Filter{IDs: []string{note.ID}}); len(got) != 0 {
		t.Errorf("found %v", got)
	}
	if err := alice.relay.Publish(alice.ctx, note); err == nil || !strings.Contains(err.Error(), "blocked:") {
		t.Errorf("published again: %v", err)
	}
}

func TestGoNostrAuthenticates(t *testing.T) {
	url := startRelay(t)
	alice, eve := connect(t, url), connect(t, url)
	protected := alice.sign(1, "mine", nostr.Tag{"-"})
	for _, p := range []*person{alice, eve} {
		// The refusal carries the challenge.
		if err := p.relay.Publish(p.ctx, protected); err == nil || !strings.Contains(err.Error(), "auth-required:") {
			t.Fatalf("published by an unauthenticated client: %v", err)
		}
		if err := p.relay.Auth(p.ctx, func(e *nostr.Event) error { return e.Sign(p.sk) }); err != nil {
			t.Fatalf("auth: %v", err)
		}
	}
	if err := eve.relay.Publish(eve.ctx, protected); err == nil || !strings.Contains(err.Error(), "restricted:") {
		t.Errorf("published by somebody else: %v", err)
	}
	if err := alice.relay.Publish(alice.ctx, protected); err != nil {
		t.Errorf("refused to its author: %v", err)
	}
	if got := eve.query(nostr.Filter{IDs: []string{protected.ID}}); len(got) != 1 {
		t.Errorf("%d found", len(got))
	}
}
