package builtin

import (
	"bufio"
	"context"
	"os"
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
	if faults != nil || len(chain.Links()) != 10 {
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
		t.Fatalf("%+v: %s", d, e.Raw)
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

func BenchmarkTenPolicies(b *testing.B) {
	chain := typicalChain(b)
	c := &policytest.Client{Addr: "2001:db8::1", Keys: []event.PubKey{alice}}
	events := corpus(b)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		passes(b, chain, c, events[i%len(events)])
	}
}
