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

	"moa/nips/event"
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
		{"no scheme", "u tag", func(e *nostr.Event) { e.Tags[0][1] = "//relay.example/" }},
		{"another scheme", "u tag", func(e *nostr.Event) { e.Tags[0][1] = "ftp://relay.example/" }},
		{"a user", "u tag", func(e *nostr.Event) { e.Tags[0][1] = "https://other.example@relay.example/" }},
		{"no u tag", "u tag", func(e *nostr.Event) { e.Tags = e.Tags[1:] }},
		{"one-element u tag", "u tag", func(e *nostr.Event) { e.Tags[0] = e.Tags[0][:1] }},
		{"another method", "method", func(e *nostr.Event) { e.Tags[1][1] = "GET" }},
		{"another body", "payload", func(e *nostr.Event) { e.Tags[2][1] = strings.Repeat("0", 64) }},
		{"no payload", "payload", func(e *nostr.Event) { e.Tags = e.Tags[:2] }},
	} {
		e, err := nip98.Verify(header(t, c.change), "POST", []string{"http://127.0.0.1:7447/", target}, now)
		if err == nil {
			err = nip98.CheckBody(e, []byte(body))
		}
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
		if _, err := nip98.Verify(h, "POST", []string{target}, now); err == nil {
			t.Errorf("%q was let in", h)
		}
	}
}

func TestABodylessCallNeedsNoPayload(t *testing.T) {
	h := header(t, func(e *nostr.Event) { e.Tags = nostr.Tags{{"u", target}, {"method", "GET"}} })
	e, err := nip98.Verify(h, "GET", []string{target}, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := nip98.CheckBody(e, nil); err != nil {
		t.Fatal(err)
	}
}

func TestAnEventIsGoodForOneCall(t *testing.T) {
	var seen nip98.Seen
	e, err := nip98.Verify(header(t, nil), "POST", []string{target}, now)
	if want, _ := nostr.GetPublicKey(secret); err != nil || e.PubKey.String() != want {
		t.Fatal(e, err)
	}
	if err := seen.Add(e, now); err != nil {
		t.Fatal(err)
	}
	for _, later := range []time.Duration{0, time.Second, nip98.Window} {
		if err := seen.Add(e, now.Add(later)); err == nil {
			t.Fatalf("the same event was let in again after %v", later)
		}
	}
}

func TestSeenIsBounded(t *testing.T) {
	var seen nip98.Seen
	e := event.Event{CreatedAt: now.Unix()}
	var err error
	n := 0
	for ; err == nil && n < 1<<16; n++ {
		e.ID[0], e.ID[1] = byte(n), byte(n>>8)
		err = seen.Add(&e, now)
	}
	if err == nil {
		t.Fatal("65536 events are remembered")
	}
	e.ID[2] = 1
	e.CreatedAt += int64(nip98.Window/time.Second) + 1
	if err := seen.Add(&e, now.Add(nip98.Window+time.Second)); err != nil {
		t.Fatalf("after a minute: %v", err)
	}
}
