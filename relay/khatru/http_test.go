package khatru_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/blossom"
	"github.com/nbd-wtf/go-nostr/nip11"
	"github.com/nbd-wtf/go-nostr/nip86"

	"moa/nips/event"
	"moa/policy"
	"moa/relay"
	door "moa/relay/khatru"
	"moa/relay/relaytest"
)

// ask sends a request to the relay; header is name, value, name, value.
func ask(t *testing.T, r *relaytest.Relay, method, path, body string, header ...string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, "http://"+r.Addr+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		if header[i] == "Host" {
			req.Host = header[i+1]
			continue
		}
		req.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp, string(got)
}

func document(t *testing.T, r *relaytest.Relay) map[string]any {
	t.Helper()
	resp, body := ask(t, r, "GET", "/", "", "Accept", "application/nostr+json, */*")
	doc := map[string]any{}
	if err := json.Unmarshal([]byte(body), &doc); err != nil || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Fatal(err, resp, body)
	}
	return doc
}

func TestTheDocumentIsKhatrusOverTheEngines(t *testing.T) {
	r, _ := serve(t, setup{
		door: door.Options{URL: "wss://garden.example"},
		hooks: func(rl *khatru.Relay) {
			rl.Info.Name = "garden"
			rl.Info.Icon = "/icon.png"
			rl.Info.AddSupportedNIP(29)
			rl.Info.Limitation = &nip11.RelayLimitationDocument{AuthRequired: true, MaxMessageLength: 1 << 30, MaxEventTags: 7, MinPowDifficulty: 9}
			rl.OverwriteRelayInformation = append(rl.OverwriteRelayInformation,
				func(_ context.Context, r *http.Request, info nip11.RelayInformationDocument) nip11.RelayInformationDocument {
					info.Description = "of " + r.Header.Get("X-Who")
					info.Contact = ""
					info.AddSupportedNIP(50)
					info.AddSupportedNIP(1) // it is there
					info.Limitation.PaymentRequired = true
					return info
				})
		},
		config: func(c *relay.Config) {
			c.Info.Name, c.Info.Contact, c.Info.Software, c.Info.Self = "moa", "mailto:me@garden.example", "https://moa.example", alice.Hex()
		},
	})
	doc := document(t, r)
	for field, want := range map[string]any{
		"name": "garden", "description": "of ", "contact": "", "icon": "https://garden.example/icon.png",
		"software": "https://moa.example", "self": alice.Hex(),
	} {
		if doc[field] != want {
			t.Errorf("%s is %v, want %v", field, doc[field], want)
		}
	}
	limits := doc["limitation"].(map[string]any)
	for field, want := range map[string]any{
		"max_message_length": float64(relay.DefaultConfig().Limits.MessageBytes), "max_event_tags": 7.0, "min_pow_difficulty": 9.0,
		"auth_required": true, "payment_required": true, "restricted_writes": false,
	} {
		if limits[field] != want {
			t.Errorf("%s is %v, want %v", field, limits[field], want)
		}
	}
	for _, field := range []string{"created_at_lower_limit", "created_at_upper_limit"} {
		if v, ok := limits[field]; ok {
			t.Errorf("%s is %v: nobody limits it", field, v)
		}
	}
	nips := doc["supported_nips"].([]any)
	for nip, want := range map[float64]bool{1: true, 29: true, 50: true, 62: true, 86: false} {
		if slices.Contains(nips, any(nip)) != want {
			t.Errorf("NIP-%v in %v", nip, nips)
		}
	}
	if n := len(slices.Compact(slices.SortedFunc(slices.Values(nips), func(a, b any) int { return int(a.(float64) - b.(float64)) }))); n != len(nips) {
		t.Errorf("twice in %v", nips)
	}
	if _, page := ask(t, r, "GET", "/", "", "Accept", "text/html"); !strings.Contains(page, "garden") {
		t.Error("the page does not know the name")
	}
}

func TestAHooklessDocumentIsTheEngines(t *testing.T) {
	r, _ := serve(t, setup{})
	plain := relaytest.Start(t, relaytest.Options{Chain: new(policy.Chain)}) // whose policies announce nothing, as the hooks
	got, _ := json.Marshal(document(t, r))
	want, _ := json.Marshal(document(t, plain))
	if !bytes.Equal(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

const management = "application/nostr+json+rpc"

// authorization signs a management call.
func authorization(t *testing.T, by relaytest.Key, url, body string, change func(*event.Event)) string {
	t.Helper()
	sum := sha256.Sum256([]byte(body))
	e := event.Event{Kind: event.KindHTTPAuth, Tags: []event.Tag{{"u", url}, {"method", "POST"}, {"payload", hex.EncodeToString(sum[:])}}}
	if change != nil {
		change(&e)
	}
	return "Nostr " + base64.StdEncoding.EncodeToString(by.Sign(t, e).Raw)
}

const garden = "wss://garden.example"

// managed is a relay that alice administers, and what was called.
func managed(t *testing.T, admins ...event.PubKey) (*relaytest.Relay, *atomic.Int32) {
	var calls atomic.Int32
	r, _ := serve(t, setup{door: door.Options{URL: garden, Admins: admins}, hooks: func(rl *khatru.Relay) {
		rl.ManagementAPI.BanPubKey = func(ctx context.Context, pubkey, _ string) error {
			if khatru.GetAuthed(ctx) != alice.Hex() || pubkey != bob.Hex() {
				return errors.New("not what was signed")
			}
			calls.Add(1)
			return nil
		}
		rl.ManagementAPI.RejectAPICall = append(rl.ManagementAPI.RejectAPICall, func(_ context.Context, mp nip86.MethodParams) (bool, string) {
			return mp.MethodName() == "allowpubkey", "not this one"
		})
	}})
	return r, &calls
}

var ban = `{"method":"banpubkey","params":["` + bob.Hex() + `","spam"]}`

func TestManagementIsForAdmins(t *testing.T) {
	r, calls := managed(t, alice.PubKey)
	const url = "https://garden.example"
	drop := func(name string) func(*event.Event) {
		return func(e *event.Event) {
			e.Tags = slices.DeleteFunc(e.Tags, func(t event.Tag) bool { return t[0] == name })
		}
	}
	for name, c := range map[string]struct {
		header, body string
		code         int
		text         string
	}{
		"nobody":         {"", ban, 401, "Authorization"},
		"no event":       {"Nostr e30=", ban, 401, "error"},
		"another person": {authorization(t, bob, url, ban, nil), ban, 403, "administer"},
		"another kind":   {authorization(t, alice, url, ban, func(e *event.Event) { e.Kind = 1 }), ban, 401, "kind 1"},
		"no u tag":       {authorization(t, alice, url, ban, drop("u")), ban, 401, "u tag"},
		"short u tag":    {authorization(t, alice, url, ban, func(e *event.Event) { e.Tags[0] = e.Tags[0][:1] }), ban, 401, "u tag"},
		"another relay":  {authorization(t, alice, "https://other.example", ban, nil), ban, 401, "u tag"},
		"another host":   {authorization(t, alice, "http://"+r.Addr, ban, nil), ban, 401, "u tag"},
		"another method": {authorization(t, alice, url, ban, drop("method")), ban, 401, "method"},
		"another body":   {authorization(t, alice, url, `{}`, nil), ban, 401, "payload"},
		"too old":        {authorization(t, alice, url, ban, func(e *event.Event) { e.CreatedAt = time.Now().Unix() - 70 }), ban, 401, "created_at"},
		"too new":        {authorization(t, alice, url, ban, func(e *event.Event) { e.CreatedAt = time.Now().Unix() + 70 }), ban, 401, "created_at"},
		"too long":       {authorization(t, alice, url, ban, nil), strings.Repeat(" ", 1<<20+1), 413, "too large"},
	} {
		resp, body := ask(t, r, "POST", "/", c.body, "Content-Type", management, "Authorization", c.header)
		if resp.StatusCode != c.code || !strings.Contains(body, c.text) || resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s: %d %s, %v", name, resp.StatusCode, body, resp.Header)
		}
	}
	if calls.Load() != 0 {
		t.Fatal("a call went through")
	}

	header := authorization(t, alice, url, ban, nil)
	resp, body := ask(t, r, "POST", "/", ban, "Content-Type", management, "Authorization", header)
	if resp.StatusCode != 200 || body != `{"result":true}`+"\n" || calls.Load() != 1 || resp.Header.Get("X-Content-Type-Options") != "nosniff" {
		t.Fatalf("%d %s, %v", resp.StatusCode, body, resp.Header)
	}
	if resp, body = ask(t, r, "POST", "/", ban, "Content-Type", management, "Authorization", header); resp.StatusCode != 401 || !strings.Contains(body, "used before") {
		t.Errorf("the same event again: %d %s", resp.StatusCode, body)
	}
	header = authorization(t, alice, garden+"/", ban, nil)
	if resp, body = ask(t, r, "POST", "/", ban, "Content-Type", management+"; charset=utf-8", "Authorization", header); resp.StatusCode != 200 || calls.Load() != 2 {
		t.Errorf("with wss and a charset: %d %s", resp.StatusCode, body)
	}
	allow := strings.Replace(ban, "ban", "allow", 1)
	if _, body = ask(t, r, "POST", "/", allow, "Content-Type", management, "Authorization", authorization(t, alice, url, allow, nil)); !strings.Contains(body, "not this one") {
		t.Errorf("RejectAPICall: %s", body)
	}
	if resp, _ = ask(t, r, "PUT", "/", ban, "Content-Type", management, "Authorization", authorization(t, alice, url, ban, nil)); resp.StatusCode != 405 {
		t.Errorf("PUT: %d", resp.StatusCode)
	}
	if !slices.Contains(document(t, r)["supported_nips"].([]any), any(86.0)) {
		t.Error("NIP-86 is not announced")
	}
	resp, _ = ask(t, r, "OPTIONS", "/", "", "Origin", "https://admin.example", "Access-Control-Request-Method", "POST", "Access-Control-Request-Headers", "authorization, content-type")
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" || !strings.Contains(resp.Header.Get("Access-Control-Allow-Headers"), "Authorization") {
		t.Errorf("preflight: %v", resp.Header)
	}
}

func TestManagementBehindAProxy(t *testing.T) {
	r, _ := serve(t, setup{
		door:   door.Options{URL: "wss://relay.example", Admins: []event.PubKey{alice.PubKey}},
		config: func(c *relay.Config) { c.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")} },
		hooks: func(rl *khatru.Relay) {
			rl.ManagementAPI.BanPubKey = func(context.Context, string, string) error { return nil }
		},
	})
	header := authorization(t, alice, "https://relay.example:443/", ban, nil)
	resp, body := ask(t, r, "POST", "/", ban, "Content-Type", management, "Authorization", header,
		"Host", "relay.example", "X-Forwarded-Proto", "https", "X-Forwarded-For", "203.0.113.5")
	if resp.StatusCode != 200 || !strings.Contains(body, "true") {
		t.Errorf("%d %s", resp.StatusCode, body)
	}
}

// Without a URL of its own, the relay would take the Host header's word for which
// relay a call was signed.
func TestManagementNeedsAURL(t *testing.T) {
	admins := []event.PubKey{alice.PubKey}
	if _, err := door.New(khatru.NewRelay(), door.Options{Admins: admins}); err == nil || !strings.Contains(err.Error(), "Options.URL") {
		t.Errorf("New without a URL: %v", err)
	}
	rl := khatru.NewRelay()
	rl.ServiceURL = garden
	d, err := door.New(rl, door.Options{Admins: admins})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// blobs is a blossom index that knows nothing.
type blobs struct{ blossom.BlobIndex }

func (blobs) Get(context.Context, string) (*blossom.BlobDescriptor, error) {
	return nil, errors.New("none")
}

func TestTheRouterIsServed(t *testing.T) {
	sha := strings.Repeat("ab", 32)
	r := withHooks(t, func(rl *khatru.Relay) {
		rl.Router().HandleFunc("/hi", func(w http.ResponseWriter, r *http.Request) {
			io.WriteString(w, "hi "+khatru.GetIPFromRequest(r)+" at "+r.Host)
		})
		b := blossom.New(rl, "http://blobs.example")
		b.Store = blobs{}
		b.LoadBlob = append(b.LoadBlob, func(_ context.Context, sha256, ext string) (io.ReadSeeker, error) {
			return strings.NewReader(sha256 + " as " + ext), nil
		})
	})
	// Whatever a client says of itself, hooks see the address that it has.
	if _, body := ask(t, r, "GET", "/hi", "", "X-Forwarded-For", "8.8.8.8", "X-Forwarded-Host", "evil.example"); body != "hi 127.0.0.1 at "+r.Addr {
		t.Error(body)
	}
	resp, body := ask(t, r, "GET", "/"+sha+".txt", "", "Origin", "https://app.example")
	if body != sha+" as txt" || resp.Header.Get("Access-Control-Allow-Origin") != "*" {
		t.Error(resp, body)
	}
	resp, _ = ask(t, r, "OPTIONS", "/upload", "", "Origin", "https://app.example", "Access-Control-Request-Method", "PUT", "Access-Control-Request-Headers", "authorization")
	if resp.Header.Get("Access-Control-Allow-Origin") != "*" || resp.Header.Get("Access-Control-Allow-Methods") != "PUT" {
		t.Errorf("preflight: %v", resp.Header)
	}
	// khatru's own endpoints are not reached by another path.
	if resp, body := ask(t, r, "GET", "/nowhere", "", "Accept", "application/nostr+json"); resp.StatusCode != 404 {
		t.Errorf("a document at /nowhere: %s", body)
	}
	if resp, _ := ask(t, r, "POST", "/hi", ban, "Content-Type", management); resp.StatusCode != 401 {
		t.Errorf("management at /hi: %d", resp.StatusCode)
	}
	for _, upgrade := range []string{"websocket", "WebSocket"} {
		resp, _ := ask(t, r, "GET", "/hi", "", "Connection", "Upgrade", "Upgrade", upgrade, "Sec-WebSocket-Version", "13", "Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")
		if resp.StatusCode != 404 {
			t.Errorf("a WebSocket at /hi: %d", resp.StatusCode)
		}
	}
}
