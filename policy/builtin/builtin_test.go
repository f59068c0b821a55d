package builtin

import (
	"context"
	"net/netip"
	"strconv"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

var (
	alice, bob, carol = policytest.Key(1), policytest.Key(2), policytest.Key(3)
	nobody            = &policytest.Client{Number: 1, Addr: "192.0.2.1"}
)

// ask returns the verdict as a client sees it: "", "blocked: …", or an action.
func ask(p policy.Policy, c policy.Client, e event.Event) string {
	return text(p.Event(context.Background(), c, policytest.Event(e)))
}

func text(v policy.Verdict) string {
	switch v.Action {
	case policy.Accept:
		return ""
	case policy.Shadow:
		return "shadow"
	case policy.RelayOnly:
		return "relay only"
	}
	return string(v.Reason) + ": " + v.Text
}

// expect compares up to the end of want; "" wants an Accept.
func expect(t *testing.T, what, got, want string) {
	t.Helper()
	if !strings.HasPrefix(got, want) || want == "" && got != "" {
		t.Errorf("%s: %q, want %q", what, got, want)
	}
}

func key(pk event.PubKey) string { return pk.String() }

func TestKinds(t *testing.T) {
	p := use(t, `use="kinds"
allow="0-19, 30000-39999"
deny=[4, "30078"]`)
	for kind, want := range map[uint16]string{
		0: "", 19: "", 20: "blocked: events of kind 20 are not accepted here, only of kinds 0-19, 30000-39999",
		4: "blocked: events of kind 4 are not accepted here", 30000: "", 39999: "", 40000: "blocked: ", 30078: "blocked: ",
	} {
		expect(t, "kind", ask(p, nobody, event.Event{Kind: kind}), want)
	}
}

func TestLimitsHoldAtNAndNotAtNPlus1(t *testing.T) {
	note := event.Event{Kind: 1, Content: "Grüße", Tags: []event.Tag{{"p", "abc"}, {"t", "nostr", "x"}}}
	size := len(policytest.Event(note).Raw)
	for _, c := range []struct{ key, refusal string }{
		{"bytes", "blocked: the event has %d bytes; at most"},
		{"content", "blocked: the content has 5 characters; at most 4"},
		{"tags", "blocked: the event has 2 tags; at most 1"},
		{"tag_items", "blocked: a tag has 3 elements; at most 2"},
		{"tag_length", "blocked: an element of a tag has 5 bytes; at most 4"},
	} {
		n := map[string]int{"bytes": size, "content": 5, "tags": 2, "tag_items": 3, "tag_length": 5}[c.key]
		at := func(n int) string { return "use='limits'\n" + c.key + "=" + strconv.Itoa(n) }
		expect(t, c.key, ask(use(t, at(n)), nobody, note), "")
		expect(t, c.key, ask(use(t, at(n-1)), nobody, note), strings.Replace(c.refusal, "%d", strconv.Itoa(size), 1))
	}
	p := use(t, "use='limits'\nmentions=1")
	expect(t, "one p", ask(p, nobody, note), "")
	note.Tags = append(note.Tags, event.Tag{"p"})
	expect(t, "two p", ask(p, nobody, note), "blocked: the event has 2 mentions")
}

func TestCreatedAtWindowSparesGiftWraps(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	tables := []map[string]any{{"use": "times", "oldest": "1h", "newest": "10m"}}
	chain, faults := Build(policy.Env{Now: func() time.Time { return now }}, nil, tables)
	if faults != nil {
		t.Fatal(faults)
	}
	p := last(chain)
	const hour, day = 3600, 24 * 3600
	for _, c := range []struct {
		kind   uint16
		offset int64
		want   string
	}{
		{1, -hour, ""},
		{1, -hour - 1, "invalid: created_at lies more than 1h in the past"},
		{1, 600, ""},
		{1, 601, "invalid: created_at lies more than 10m in the future"},
		{1059, -2 * day, ""},
		{1059, -3 * day, "invalid: "},
		{1059, 601, "invalid: "},
		{21059, -2 * day, ""},
		{0, -900 * day, ""},
		{10002, -900 * day, ""},
		{0, 601, "invalid: "},
		{30023, 601, "invalid: "},
	} {
		expect(t, "kind "+strconv.Itoa(int(c.kind)), ask(p, nobody, event.Event{Kind: c.kind, CreatedAt: now.Unix() + c.offset}), c.want)
	}
	if l := chain.Limits(); l.OldestCreatedAt != time.Hour || l.NewestCreatedAt != 10*time.Minute {
		t.Errorf("announced: %+v", l)
	}
}

// A table of the file that uses times replaces the default.
func TestTheFutureIsBoundedUnlessTheFileSaysOtherwise(t *testing.T) {
	for config, want := range map[string]time.Duration{
		"[[policy]]\nuse='limits'":                       15 * time.Minute,
		"[[policy]]\nuse='times'\nnewest='1h'":           time.Hour,
		"[[policy]]\nuse='times'\nnewest='0s'":           0,
		"[[policy]]\nuse='times'\nmode='observe'":        0,
		"[[policy]]\nuse='times'\nkinds='1'":             0,
		"[[policy]]\nuse='private'\nkinds=''\nname='no'": 15 * time.Minute,
	} {
		chain, faults := build(t, config)
		if faults != nil {
			t.Fatal(faults)
		}
		if got := chain.Limits().NewestCreatedAt; got != want {
			t.Errorf("%s: announced %v", config, got)
		}
	}
}

func TestDemandsAreAnnounced(t *testing.T) {
	for config, want := range map[string]policy.Limits{
		"use='pow'\nbits=9":                                {PoW: true, MinPoW: 9},
		"use='pow'\nkinds='1'":                             {PoW: true},
		"use='pow'\nunless={pubkeys=['" + key(bob) + "']}": {PoW: true},
		"use='pow'\nmode='observe'":                        {},
		"use='spam'":                                       {PoW: true},
		"use='rate'\nwork_beyond=8":                        {PoW: true},
		"use='rate'":                                       {},
		"use='limits'\nbytes=1000":                         {ContentLength: 1000},
		"use='limits'\nbytes=1000\ncontent=2000\ntags=3":   {ContentLength: 1000, EventTags: 3},
		"use='limits'\nbytes=2000\ncontent=1000":           {ContentLength: 1000},
	} {
		want.NewestCreatedAt = 15 * time.Minute // of the default
		chain, faults := build(t, "[[policy]]\n"+config)
		if faults != nil {
			t.Fatal(faults)
		}
		if got := chain.Limits(); got != want {
			t.Errorf("%s: announced %+v", config, got)
		}
	}
}

func TestAuth(t *testing.T) {
	asAlice := &policytest.Client{Keys: []event.PubKey{alice}}
	note := event.Event{Kind: 1, PubKey: alice}
	p := use(t, "use='auth'")
	expect(t, "unauthenticated client writes", ask(p, nobody, note), "auth-required: ")
	expect(t, "unauthenticated client vanishes", ask(p, nobody, event.Event{Kind: 62}), "")
	expect(t, "anybody writes", ask(p, asAlice, event.Event{Kind: 1, PubKey: bob}), "")
	f := p.(policy.FilterPolicy)
	expect(t, "unauthenticated client reads", text(f.Filter(context.Background(), nobody, &event.Filter{})), "auth-required: ")
	expect(t, "alice reads", text(f.Filter(context.Background(), asAlice, &event.Filter{})), "")
	p = use(t, "use='auth'\nauthor=true\nread=false")
	expect(t, "author writes", ask(p, asAlice, note), "")
	expect(t, "other writes", ask(p, asAlice, event.Event{Kind: 1, PubKey: bob}), "restricted: only the author")
}

func TestMessagesAreForThePeopleInvolved(t *testing.T) {
	chain, _ := build(t, "")
	wrap := policytest.Event(event.Event{Kind: 1059, PubKey: carol, Tags: []event.Tag{{"p", key(policytest.Key(9))}, {"p", key(alice)}}})
	for _, c := range []struct {
		name string
		keys []event.PubKey
		want bool
	}{
		{"unauthenticated", nil, false},
		{"other", []event.PubKey{bob}, false},
		{"recipient", []event.PubKey{alice}, true},
		{"also recipient", []event.PubKey{bob, alice}, true},
		{"author", []event.PubKey{carol}, true},
	} {
		if got := chain.Deliver(&policytest.Client{Keys: c.keys}, wrap); got != c.want {
			t.Errorf("%s sees it: %v", c.name, got)
		}
	}
	if !chain.Deliver(nobody, policytest.Event(event.Event{Kind: 1})) {
		t.Error("a note was withheld")
	}
	filter := func(raw string, keys ...event.PubKey) string {
		f, err := event.ParseFilter([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		return text(chain.Filter(context.Background(), &policytest.Client{Keys: keys}, f).Verdict)
	}
	expect(t, "only wraps", filter(`{"kinds":[1059],"limit":0}`), "auth-required: ")
	expect(t, "only wraps, authed", filter(`{"kinds":[1059]}`, alice), "")
	expect(t, "wraps and notes", filter(`{"kinds":[1,1059]}`), "")
	expect(t, "everything", filter(`{}`), "")
}

func TestRateLimits(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	rate := func(text string) policy.Policy {
		p := use(t, "use='rate'\n"+text)
		switch r := p.(type) {
		case *rate:
			r.now = func() time.Time { return now }
		case lateRate:
			r.now = func() time.Time { return now }
		case filterRate:
			r.now = func() time.Time { return now }
		}
		return p
	}
	from := func(ip string) *policytest.Client { return &policytest.Client{Addr: ip} }
	note := event.Event{Kind: 1, PubKey: alice}

	p := rate("count=2\ninterval='10s'")
	for i, want := range []string{"", "", "rate-limited: too many events by ip: the limit is 2 in 10s; try again in 5s"} {
		expect(t, "event "+strconv.Itoa(i), ask(p, from("2001:db8::1"), note), want)
	}
	expect(t, "same /64", ask(p, from("2001:db8::2"), note), "rate-limited: ")
	expect(t, "other /64", ask(p, from("2001:db8:0:1::2"), note), "")
	expect(t, "import", ask(p, from(""), note), "")
	for range 5 {
		expect(t, "loopback", ask(p, from("::ffff:127.0.0.1"), note), "")
	}
	now = now.Add(5 * time.Second)
	expect(t, "after 5 s", ask(p, from("2001:db8::1"), note), "")
	expect(t, "after 5 s again", ask(p, from("2001:db8::1"), note), "rate-limited: ")

	p = rate("by=['pubkey','kind']\ncount=1\nburst=2\nkinds='1-2'")
	if _, late := p.(policy.LatePolicy); !late {
		t.Error("authors are counted before their signature is checked")
	}
	for i, want := range []string{"", "", "rate-limited: too many events of kinds 1-2 by pubkey and kind: the limit is 1 in 1m"} {
		expect(t, "alice "+strconv.Itoa(i), ask(p, nobody, note), want)
	}
	expect(t, "kind 2", ask(p, nobody, event.Event{Kind: 2, PubKey: alice}), "")
	expect(t, "kind 3", ask(p, nobody, event.Event{Kind: 3, PubKey: alice}), "")
	expect(t, "bob", ask(p, nobody, event.Event{Kind: 1, PubKey: bob}), "")

	p = rate("of='filters'\ncount=1")
	expect(t, "an event", ask(p, nobody, note), "")
	f := p.(policy.FilterPolicy)
	expect(t, "first filter", text(f.Filter(context.Background(), nobody, nil)), "")
	expect(t, "second filter", text(f.Filter(context.Background(), nobody, nil)), "rate-limited: too many filters by ip")
}

func TestBucketsAreBoundedAndKeepClientsThatKeepSending(t *testing.T) {
	b := newBuckets(1, time.Hour, 1, 1000)
	now := time.Unix(1_700_000_000, 0)
	greedy := bucketKey{kind: -1}
	if _, ok := b.take(greedy, now); !ok {
		t.Fatal("no first token")
	}
	for i := range 10_000 {
		b.take(bucketKey{kind: int32(i)}, now)
		if _, ok := b.take(greedy, now); ok {
			t.Fatalf("forgotten after %d others", i)
		}
	}
	for i := range b.shards {
		if n := len(b.shards[i].full.young) + len(b.shards[i].full.old); n > 64 {
			t.Errorf("shard %d remembers %d keys", i, n)
		}
	}
	if wait, ok := b.take(greedy, now.Add(-24*time.Hour)); ok || wait > time.Hour {
		t.Errorf("with the clock set back: wait %v", wait)
	}
}

func TestAnIPv4AddressIsNoIPv6Network(t *testing.T) {
	if network(netip.MustParseAddr("1.2.3.4")) == network(netip.MustParseAddr("::102:304")) {
		t.Error("the same bucket")
	}
	if network(netip.MustParseAddr("1.2.3.4")) != network(netip.MustParseAddr("::ffff:1.2.3.4")) {
		t.Error("a mapped address has another bucket")
	}
}

func TestProofOfWork(t *testing.T) {
	worked := note(alice)
	mine(&worked, 6)
	lucky := note(alice)
	mine(&lucky, 6)
	lucky.Tags = nil
	for n := 0; policytest.Event(lucky).ID[0] >= 4; n++ {
		lucky.Content = strconv.Itoa(n)
	}
	p := use(t, "use='pow'\nbits=6")
	expect(t, "worked", ask(p, nobody, worked), "")
	expect(t, "lucky", ask(p, nobody, lucky), `pow: the "nonce" tag does not commit`)
	expect(t, "lucky, without commitment", ask(use(t, "use='pow'\nbits=6\ncommitment=false"), nobody, lucky), "")
	expect(t, "not enough", ask(use(t, "use='pow'\nbits=60"), nobody, worked), "pow: difficulty ")
	expect(t, "another kind", ask(use(t, "use='pow'\nbits=60\nkinds='7'"), nobody, worked), "")
	expect(t, "a deletion", ask(use(t, "use='pow'\nbits=60"), nobody, event.Event{Kind: 5}), "")
	asAlice := &policytest.Client{Keys: []event.PubKey{alice}}
	expect(t, "authenticated", ask(use(t, "use='pow'\nbits=60\nexempt_authed=true"), asAlice, note(alice)), "")
	expect(t, "as somebody else", ask(use(t, "use='pow'\nbits=60\nexempt_authed=true"), asAlice, note(bob)), "pow: ")
}
