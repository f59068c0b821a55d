package relay_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip11"
	"moa/nips/sig"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/store/memstore"
)

// relayKey is the relay's own.
var relayKey = relaytest.NewKey(77)

func identity(t *testing.T) *relay.Identity {
	t.Helper()
	id, err := relay.NewIdentity(relayKey.Secret)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func publishing(cfg *relay.Config) {
	cfg.URL = "wss://Berlin.example:443"
	cfg.Self.Publish = true
	cfg.Self.Topics = []string{"berlin"}
	cfg.Self.Languages = []string{"de"}
}

func publishingConfig() relay.Config {
	cfg := relaytest.Config()
	publishing(&cfg)
	return cfg
}

// chainFrom builds a chain of tables.
func chainFrom(t *testing.T, tables ...map[string]any) *policy.Chain {
	t.Helper()
	chain, faults := builtin.Build(policy.Env{}, nil, tables)
	if faults != nil {
		t.Fatal(faults)
	}
	return chain
}

// aboutSelf asks for the event about the relay until there is one that will do.
func aboutSelf(t *testing.T, c *relaytest.Client, ok func(*event.Event) bool) *event.Event {
	t.Helper()
	var found *event.Event
	relaytest.Eventually(t, "the event about the relay", func() bool {
		got := c.Query(t, fmt.Sprintf(`{"kinds":[30166],"authors":[%q]}`, relayKey.Hex()))
		for _, e := range got { // a newer one may come live, before CLOSE
			if ok(e) {
				found = e
			}
		}
		return found != nil
	})
	return found
}

func any30166(*event.Event) bool { return true }

func TestTheRelayTellsAboutItself(t *testing.T) {
	chain := chainFrom(t,
		map[string]any{"use": "geo", "prefixes": []any{"u33"}, "area": "Berlin"},
		map[string]any{"use": "kinds", "allow": "1, 7, 20000-20001", "deny": "7"},
		map[string]any{"use": "kinds", "deny": "1-1000", "mode": "observe"},
		map[string]any{"use": "pow", "bits": int64(4)},
	)
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			r := relaytest.Start(t, relaytest.Options{Config: publishing, Chain: chain, Identity: identity(t), Store: open(t)})
			c := r.Dial(t)
			e := aboutSelf(t, c, any30166)
			var tags []string
			for _, tag := range e.Tags {
				if tag[0] != "N" {
					tags = append(tags, strings.Join(tag, " "))
				}
			}
			want := "d wss://berlin.example/, n clearnet, R !auth, R !payment, R pow, R writes, k 1, k 20000, k 20001, k !7, " +
				"t berlin, L ISO-639-1, l de ISO-639-1, g u, g u3, g u33"
			if got := strings.Join(tags, ", "); got != want {
				t.Errorf("tags\n%s\nwant\n%s", got, want)
			}
			_, doc := get(t, r, "GET", "/", "Accept", "application/nostr+json")
			if e.Content != doc {
				t.Errorf("the content is not the information document but %s", e.Content)
			}
			var info nip11.Document
			if err := json.Unmarshal([]byte(doc), &info); err != nil || info.Self != relayKey.Hex() {
				t.Errorf("self is %q, %v", info.Self, err)
			}
			for _, n := range info.NIPs {
				sameIDs(t, fmt.Sprint("NIP ", n), c.Query(t, fmt.Sprintf(`{"kinds":[30166],"#N":["%d"]}`, n)), e)
			}
			sameIDs(t, "by place", c.Query(t, `{"kinds":[30166],"#g":["u33"]}`), e)
			// It says what NIP-11 says, and never the secret.
			_, metrics := get(t, r, "GET", "/metrics")
			for _, shown := range []string{doc, metrics, string(e.Raw), fmt.Sprintf("%v %+v %#v %s %x", identity(t), identity(t), identity(t), identity(t), *identity(t))} {
				if strings.Contains(shown, fmt.Sprintf("%x", relayKey.Secret)) {
					t.Errorf("the secret is shown: %.200s", shown)
				}
			}
		})
	}
}

func TestTheEventAboutTheRelayStaysUpToDate(t *testing.T) {
	store := memstore.New()
	r := relaytest.Start(t, relaytest.Options{Config: publishing, Identity: identity(t), Store: store})
	c := r.Dial(t)
	first := aboutSelf(t, c, any30166)
	live := r.Dial(t)
	live.Stored(t, "live", `{"kinds":[30166],"limit":0}`)

	reload := func(change func(*relay.Config)) {
		cfg := publishingConfig()
		change(&cfg)
		if err := r.Server.Reload(cfg, nil); err != nil {
			t.Fatal(err)
		}
	}
	reload(func(cfg *relay.Config) { cfg.Info.Name = "Notes from Berlin" })
	second := aboutSelf(t, c, func(e *event.Event) bool { return e.ID != first.ID })
	if !strings.Contains(second.Content, "Notes from Berlin") || second.CreatedAt <= first.CreatedAt {
		t.Errorf("at %d, after %d: %s", second.CreatedAt, first.CreatedAt, second.Content)
	}
	if got := live.Event(t, "live"); got.ID != second.ID {
		t.Error("who listens does not get it")
	}
	// It is old: signed again, though nothing has changed.
	r.Advance(25 * time.Hour)
	reload(func(cfg *relay.Config) { cfg.Info.Name = "Notes from Berlin" })
	third := aboutSelf(t, c, func(e *event.Event) bool { return e.ID != second.ID })
	if third.Content != second.Content || third.CreatedAt < second.CreatedAt+24*3600 {
		t.Errorf("at %d: %s", third.CreatedAt, third.Content)
	}
	if err := r.Stop(); err != nil {
		t.Fatal(err)
	}
	// After a restart it says the same: it is not signed again.
	again := relaytest.Start(t, relaytest.Options{
		Config: func(cfg *relay.Config) { publishing(cfg); cfg.Info.Name = "Notes from Berlin" }, Identity: identity(t), Store: store,
		Push: func(context.Context, string, *event.Event) error { return nil },
	})
	again.Advance(25 * time.Hour)
	if e := aboutSelf(t, again.Dial(t), any30166); e.ID != third.ID {
		t.Error("a restart has signed it again")
	}
}

// others are other relays: what each was sent, and which refuse.
type others struct {
	mu   sync.Mutex // guards the following
	sent map[string][]event.ID
	down map[string]bool
}

func (o *others) push(_ context.Context, url string, e *event.Event) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.down[url] {
		return errors.New("refused")
	}
	o.sent[url] = append(o.sent[url], e.ID)
	return nil
}

func (o *others) of(url string) []event.ID {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.sent[url]
}

func TestOtherRelaysGetTheEventOnce(t *testing.T) {
	o := &others{sent: map[string][]event.ID{}, down: map[string]bool{"wss://b.example": true}}
	to := func(cfg *relay.Config) {
		publishing(cfg)
		cfg.Self.Relays = []string{"wss://b.example", "wss://a.example"}
	}
	r := relaytest.Start(t, relaytest.Options{Config: to, Identity: identity(t), Push: o.push})
	relaytest.Eventually(t, "the first has it", func() bool { return len(o.of("wss://a.example")) == 1 })
	o.mu.Lock()
	delete(o.down, "wss://b.example")
	o.mu.Unlock()
	cfg := relaytest.Config()
	to(&cfg)
	if err := r.Server.Reload(cfg, nil); err != nil {
		t.Fatal(err)
	}
	relaytest.Eventually(t, "the second has it", func() bool { return len(o.of("wss://b.example")) == 1 })
	e := aboutSelf(t, r.Dial(t), any30166)
	if a, b := o.of("wss://a.example"), o.of("wss://b.example"); len(a) != 1 || a[0] != e.ID || b[0] != e.ID {
		t.Errorf("sent %v and %v, stored is %s", a, b, e.ID)
	}
}

// What changes the information document for an unauthenticated client changes the event.
func TestTheEventSaysWhatIsServed(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{
		Config: publishing, Identity: identity(t),
		Describe: func(r *http.Request, document []byte) ([]byte, error) {
			return fmt.Appendf(nil, `{"name":"of %s","supported_nips":[86],"limitation":{"payment_required":true}}`, r.Host), nil
		},
	})
	e := aboutSelf(t, r.Dial(t), any30166)
	if !strings.Contains(e.Content, `"of berlin.example"`) || !strings.Contains(string(e.Raw), `["N","86"],["R","!auth"],["R","payment"]`) {
		t.Errorf("%s", e.Raw)
	}
}

// What panics while it changes the document, or brings the event to another relay,
// changes nothing, and brings it nowhere.
func TestAPanicAboutTheDocumentCostsItsChange(t *testing.T) {
	logs := new(syncLog)
	r := relaytest.Start(t, relaytest.Options{
		Config:   func(cfg *relay.Config) { publishing(cfg); cfg.Self.Relays = []string{"wss://a.example"} },
		Identity: identity(t), Log: slog.New(slog.NewTextHandler(logs, nil)),
		Describe: func(*http.Request, []byte) ([]byte, error) { panic("no document") },
		Push:     func(context.Context, string, *event.Event) error { panic("no other relay") },
	})
	c := r.Dial(t)
	_, doc := get(t, r, "GET", "/", "Accept", "application/nostr+json")
	if e := aboutSelf(t, c, any30166); e.Content != doc || !strings.Contains(doc, `"name":"moa"`) {
		t.Errorf("%s", e.Raw)
	}
	relaytest.Eventually(t, "both are logged", func() bool {
		return strings.Contains(logs.String(), "panic: no document") && strings.Contains(logs.String(), "panic: no other relay")
	})
	c.Accepted(t, alice.Note(t, "the relay goes on"))
}

func TestSelfFaults(t *testing.T) {
	cfg := relaytest.Config()
	cfg.Self = relay.Self{
		Publish: true, Every: time.Second, Topics: []string{" "}, Languages: []string{"deu"}, Relays: []string{"https://relay.example"},
	}
	err := cfg.Validate().Err()
	for _, want := range []string{"self.publish: ", "self.every: ", "self.topics: ", "self.languages: ", `self.relays: "https://relay.example"`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no fault %s in %v", want, err)
		}
	}
	other := publishingConfig()
	other.Info.Self = alice.Hex()
	verifier, err := sig.New(sig.Btcec)
	if err != nil {
		t.Fatal(err)
	}
	_, err = relay.New(other, relay.Deps{Store: memstore.New(), Verifier: verifier, Identity: identity(t)})
	if err == nil || !strings.Contains(err.Error(), "info.self: ") {
		t.Errorf("another key as self: %v", err)
	}
}
