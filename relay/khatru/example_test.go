package khatru_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/coder/websocket"
	"github.com/coder/websocket/wsjson"
	"github.com/fiatjaf/khatru"
	"github.com/fiatjaf/khatru/policies"
	"github.com/nbd-wtf/go-nostr"

	"moa/nips/sig"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	door "moa/relay/khatru"
	"moa/store/badgerstore"
)

// gardenHooks is what a relay author writes: khatru's hooks and its own
// policies package, unchanged.
func gardenHooks() *khatru.Relay {
	rl := khatru.NewRelay()
	rl.Info.Name = "garden"
	policies.ApplySaneDefaults(rl)
	rl.RejectEvent = append(rl.RejectEvent,
		policies.PreventLargeTags(120),
		policies.RestrictToSpecifiedKinds(true, 0, 1, 5, 7, 30023),
		func(ctx context.Context, e *nostr.Event) (bool, string) {
			return e.Content == "spam" && khatru.GetAuthed(ctx) == "", "blocked: not in this garden"
		},
	)
	rl.RejectFilter = append(rl.RejectFilter, policies.NoEmptyFilters)
	return rl
}

// runGarden serves it with moa's engine until ctx ends; started gets its URL.
func runGarden(ctx context.Context, dir string, started func(url string)) (err error) {
	hooks, err := door.New(gardenHooks(), door.Options{})
	if err != nil {
		return err
	}
	st, err := badgerstore.Open(badgerstore.Options{Dir: dir})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	choice, err := sig.Choose(sig.Auto)
	if err != nil {
		return err
	}
	cfg := relay.DefaultConfig()
	cfg.Listen = "127.0.0.1:0" // any free port
	server, err := relay.New(cfg, relay.Deps{
		Store:    st,
		Verifier: choice.Verifier,
		Chain: policy.NewChain(nil, // moa's own and khatru's go together
			append(builtin.Defaults(policy.Env{}), policy.Named{Name: "garden", Policy: hooks})...),
		Handler:  hooks.Handler(), // the management API, blossom, whatever is on rl.Router()
		Describe: hooks.Describe,  // rl.Info
	})
	if err != nil {
		return err
	}
	if err := server.Listen(); err != nil {
		return err
	}
	started("ws://" + server.Addr().String())
	err = server.Run(ctx)

	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return errors.Join(err, hooks.Close(last)) // the OnEventSaved hooks of the last events
}

// A relay with khatru's hooks and moa's engine, and a client that meets both.
func Example() {
	dir, err := os.MkdirTemp("", "garden")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	ctx, stop := context.WithCancel(context.Background())
	url, ended := make(chan string, 1), make(chan error, 1)
	go func() { ended <- runGarden(ctx, dir, func(u string) { url <- u }) }()

	client, _, err := websocket.Dial(ctx, <-url, nil)
	if err != nil {
		panic(err)
	}
	say := func(message ...any) string {
		if err := wsjson.Write(ctx, client, message); err != nil {
			panic(err)
		}
		_, answer, err := client.Read(ctx)
		if err != nil {
			panic(err)
		}
		return string(answer)
	}
	key := nostr.GeneratePrivateKey()
	for _, text := range []string{"tulips", "spam"} {
		e := nostr.Event{Kind: 1, Content: text, CreatedAt: nostr.Now()}
		if err := e.Sign(key); err != nil {
			panic(err)
		}
		fmt.Println(text+":", strings.ReplaceAll(say("EVENT", e), e.ID, "…"))
	}
	fmt.Println(say("COUNT", "spam and tulips", nostr.Filter{Kinds: []int{1}}))
	fmt.Println(say("REQ", "everything", nostr.Filter{}))
	client.CloseNow()
	stop()
	fmt.Println("ended:", <-ended)
	// Output:
	// tulips: ["OK","…",true,""]
	// spam: ["OK","…",false,"blocked: not in this garden"]
	// ["COUNT","spam and tulips",{"count":1}]
	// ["CLOSED","everything","blocked: can't handle empty filters"]
	// ended: <nil>
}
