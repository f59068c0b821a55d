package builtin

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

// typical is a chain of ten policies as a relay may have them; everything in
// the test's events passes.
const typical = `
[[policy]]
use = "kinds"
allow = "0-19, 1000-9999, 10000-19999, 20000-29999, 30000-39999"
[[policy]]
use = "limits"
bytes = 131072
tags = 2000
content = 65536
tag_length = 4096
[[policy]]
use = "times"
newest = "15m"
[[policy]]
use = "rate"
count = 1_000_000_000
exempt_loopback = false
[[policy]]
use = "rate"
name = "rate by author"
by = ["pubkey", "kind"]
count = 1_000_000_000
[[policy]]
use = "pow"
bits = 1
kinds = "20001"
[[policy]]
use = "deny"
pubkeys = ["ff00000000000000000000000000000000000000000000000000000000000000"]
[[policy]]
use = "auth"
read = true
write = false
[[policy]]
use = "geo"
except = { prefixes = ["0"] }
required = ""
`

func typicalChain(t testing.TB) *policy.Chain {
	tables := parse(t, typical)
	chain, faults := Build(policy.Env{}, nil, tables)
	if faults != nil || len(chain.Links()) != 11 {
		t.Fatal(len(chain.Links()), faults)
	}
	return chain
}

// corpus are real events, and one with a ladder of places.
func corpus(t testing.TB) []*event.Event {
	f, err := os.Open("../../nips/event/testdata/events.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	events := []*event.Event{policytest.Event(ladder(1, "u33dc1v0")), policytest.Event(event.Event{Kind: 1059})}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if e, err := event.Parse([]byte(lines.Text())); err == nil {
			events = append(events, e)
		}
	}
	return events
}

func passes(t testing.TB, chain *policy.Chain, c policy.Client, e *event.Event) {
	ctx := context.Background()
	d := chain.Early(ctx, c, e)
	if d.Action == policy.Accept {
		d = chain.Late(ctx, c, e, d)
	}
	if d.Action != policy.Accept {
		t.Errorf("%+v: %s", d, e.Raw)
	}
	chain.Deliver(c, e)
}

func TestTenPoliciesAllocateNothing(t *testing.T) {
	chain := typicalChain(t)
	c := &policytest.Client{Addr: "2001:db8::1", Keys: []event.PubKey{alice}}
	events := corpus(t)
	for _, e := range events {
		if n := testing.AllocsPerRun(100, func() { passes(t, chain, c, e) }); n != 0 {
			t.Errorf("%v allocations for %s", n, e.Raw)
		}
	}
	if len(events) < 50 {
		t.Errorf("only %d events", len(events))
	}
}

// For the race detector.
func TestChainIsSafeForManyGoroutines(t *testing.T) {
	tables := append(parse(t, typical), parse(t, `
[[policy]]
use = "spam"
mode = "observe"
trusted = { pubkeys = ["01`+strings.Repeat("0", 62)+`"] }
[[policy]]
use = "expr"
accept = "kind >= 0 && all(tags, len(#) > 0)"
[[policy]]
use = "content"
deny = ["(?i)no such words as these"]
json = ""
[[policy]]
use = "rate"
name = "by cell"
by = ["cell"]
count = 1_000_000
`)...)
	var seen atomic.Int64
	chain, faults := Build(policy.Env{}, func(*policy.Named, policy.Stage, policy.Verdict) { seen.Add(1) }, tables)
	if faults != nil {
		t.Fatal(faults)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- chain.Run(ctx) }()
	events := corpus(t)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			c := &policytest.Client{Number: uint64(i), Addr: fmt.Sprintf("2001:db8:%d::1", i), Keys: []event.PubKey{alice}}
			for _, e := range events {
				passes(t, chain, c, e)
				chain.Saved(c, e)
				chain.Filter(ctx, c, &event.Filter{})
			}
		})
	}
	wg.Wait()
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if seen.Load() == 0 {
		t.Error("eight copies of every text were not suspected")
	}
}

func BenchmarkTenPolicies(b *testing.B) {
	chain := typicalChain(b)
	c := &policytest.Client{Addr: "2001:db8::1", Keys: []event.PubKey{alice}}
	events := corpus(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		passes(b, chain, c, events[i%len(events)])
	}
}
