package e2e

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/sig"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	khatrudoor "moa/relay/khatru"
	"moa/relay/relaytest"
	"moa/store/badgerstore"
)

// README: a policy

// NoShouting refuses notes in capitals.
type NoShouting struct{}

func (NoShouting) Event(_ context.Context, c policy.Client, e *event.Event) policy.Verdict {
	if e.Kind == event.KindNote && len(e.Content) > 20 && e.Content == strings.ToUpper(e.Content) {
		return policy.Refuse(reason.Blocked, "please do not shout")
	}
	return policy.Verdict{} // the zero Verdict accepts
}

// README: a relay with it

func serve(ctx context.Context, dir string, cfg relay.Config) error {
	st, err := badgerstore.Open(badgerstore.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer st.Close()
	verifier, err := sig.New(sig.Auto)
	if err != nil {
		return err
	}
	links := builtin.Defaults(policy.Env{}) // messages are for the people involved, and none is from the future
	chain := policy.NewChain(nil, append(links, policy.Named{Name: "no-shouting", Policy: NoShouting{}})...)
	rl, err := relay.New(cfg, relay.Deps{Store: st, Chain: chain, Verifier: verifier})
	if err != nil {
		return err
	}
	return rl.Run(ctx) // until ctx ends
}

func main() {
	cfg := relay.DefaultConfig() // a public relay at 127.0.0.1:7447; every field has a comment
	if err := serve(context.Background(), "relay-data", cfg); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// README: khatru's hooks

func khatruPolicy() (policy.Named, error) {
	rl := khatru.NewRelay()
	rl.RejectEvent = append(rl.RejectEvent,
		policies.PreventLargeTags(100),
		policies.RestrictToSpecifiedKinds(true, 0, 1, 3, 5, 7),
	)
	rl.RejectFilter = append(rl.RejectFilter, policies.NoSearchQueries)
	door, err := khatrudoor.New(rl, khatrudoor.Options{})
	return policy.Named{Name: "khatru", Policy: door}, err
}

// README: end

var _ = main

// TestREADMEShowsThisCode holds the README to the code that is tested here.
func TestREADMEShowsThisCode(t *testing.T) {
	source, err := os.ReadFile("author_test.go")
	if err != nil {
		t.Fatal(err)
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range strings.Split(string(source), "\n// README: ")[1:] {
		name, code, _ := strings.Cut(part, "\n")
		if name == "end" {
			break
		}
		if !strings.Contains(string(readme), "```go\n"+strings.TrimSpace(code)+"\n```") {
			t.Errorf("the README has not, word for word, %q", name)
		}
	}
}

// runAuthors runs serve until the test ends.
func runAuthors(t *testing.T) (url string) {
	t.Helper()
	cfg := relaytest.Config()
	cfg.Listen = freeAddr(t)
	dir := t.TempDir() // removed after the relay has ended
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error)
	go func() { ended <- serve(ctx, dir, cfg) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	url = "ws://" + cfg.Listen
	relaytest.Eventually(t, "the relay listens", func() bool {
		c, _, err := relaytest.TryDial(url)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return url
}

func TestAuthorsPolicyDecides(t *testing.T) {
	c := relaytest.Dial(t, runAuthors(t))
	alice := relaytest.NewKey(1)
	c.Accepted(t, alice.Note(t, "good morning to you all"))
	c.Refused(t, alice.Note(t, "GOOD MORNING TO YOU ALL"), "blocked: please do not shout")
}

func TestKhatrusPoliciesDecide(t *testing.T) {
	link, err := khatruPolicy()
	if err != nil {
		t.Fatal(err)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, link)})
	c := r.Dial(t)
	alice := relaytest.NewKey(1)
	c.Accepted(t, alice.Note(t, "hello"))
	c.Refused(t, alice.Sign(t, event.Event{Kind: 30023, Tags: []event.Tag{{"d", "x"}}}), "blocked: ")
}
