package nip98_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"

	"moa/nips/nip98"
)

const (
	secret = "0000000000000000000000000000000000000000000000000000000000000003"
	target = "https://relay.example/"
	body   = `{"method":"banpubkey"}`
)

var now = time.Unix(1_700_000_000, 0)

func header(t *testing.T, change func(*nostr.Event)) string {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	e := nostr.Event{Kind: 27235, CreatedAt: nostr.Timestamp(now.Unix()), Tags: nostr.Tags{
		{"u", target}, {"method", "POST"}, {"payload", hex.EncodeToString(sum[:])},
	}}
	if change != nil {
		change(&e)
	}
	if err := e.Sign(secret); err != nil {
		t.Fatal(err)
	}
	b, _ := json.Marshal(e)
	return "Nostr " + base64.StdEncoding.EncodeToString(b)
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, want string
		change     func(*nostr.Event)
	}{
		{"right", "", nil},
		{"wss for https", "", func(e *nostr.Event) { e.Tags[0][1] = "wss://relay.example" }},
		{"default port", "", func(e *nostr.Event) { e.Tags[0][1] = "https://Relay.example:443/" }},
		{"a minute old", "", func(e *nostr.Event) { e.CreatedAt -= 60 }},
		{"too old", "created_at", func(e *nostr.Event) { e.CreatedAt -= 61 }},
		{"from the future", "created_at", func(e *nostr.Event) { e.CreatedAt += 61 }},
		{"another kind", "kind 1", func(e *nostr.Event) { e.Kind = 1 }},
		{"another relay", "u tag", func(e *nostr.Event) { e.Tags[0][1] = "https://other.example/" }},
		{"another path", "u tag", func(e *nostr.Event) { e.Tags[0][1] = target + "x" }},
		{"no u tag", "u tag", func(e *nostr.Event) { e.Tags = e.Tags[1:] }},
		{"one-element u tag", "u tag", func(e *nostr.Event) { e.Tags[0] = e.Tags[0][:1] }},
		{"another method", "method", func(e *nostr.Event) { e.Tags[1][1] = "GET" }},
		{"another body", "payload", func(e *nostr.Event) { e.Tags[2][1] = strings.Repeat("0", 64) }},
		{"no payload", "payload", func(e *nostr.Event) { e.Tags = e.Tags[:2] }},
	} {
		_, err := new(nip98.Checker).Check(header(t, c.change), "POST", target, []byte(body), now)
		if (err == nil) != (c.want == "") || (err != nil && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestBadHeadersAndSignatures(t *testing.T) {
	good := header(t, nil)
	raw, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(good, "Nostr "))
	var e nostr.Event
	json.Unmarshal(raw, &e)
	e.Sig = strings.Repeat("0", 128)
	forged, _ := json.Marshal(e)
	for _, h := range []string{"", "Bearer x", "Nostr !", "Nostr e30=", "Nostr " + base64.StdEncoding.EncodeToString(forged)} {
		if _, err := new(nip98.Checker).Check(h, "POST", target, []byte(body), now); err == nil {
			t.Errorf("%q was let in", h)
		}
	}
}

func TestAnEventIsGoodForOneCall(t *testing.T) {
	var c nip98.Checker
	h := header(t, nil)
	pk, err := c.Check(h, "POST", target, []byte(body), now)
	if want, _ := nostr.GetPublicKey(secret); err != nil || pk.String() != want {
		t.Fatal(pk, err)
	}
	if _, err := c.Check(h, "POST", target, []byte(body), now.Add(time.Second)); err == nil {
		t.Fatal("the same event was let in twice")
	}
}
