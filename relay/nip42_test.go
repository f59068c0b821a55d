package relay_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/relaytest"
)

func TestNIP42TheChallengeComesWhenItIsNeeded(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c, d := r.Dial(t), r.Dial(t)
	c.Quiet(t) // clients 2: not at connect
	first := c.Challenge(t)
	if other := d.Challenge(t); first == other || len(first) < 32 {
		t.Errorf("NIP42.1: %q, %q", first, other)
	}
	c.Closed(t, "again", "auth-required: ", `["REQ","again",{"kinds":[1059]}]`) // sent once

	onConnect := start(t, func(c *relay.Config) { c.AuthOnConnect = true }).Dial(t)
	onConnect.Authenticate(t, alice, "")
}

func TestNIP42WhatIsNoAuthentication(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	early := alice.Auth(t, r.URL, "")
	c.Say(t, "%s", `["AUTH",`+string(early.Raw)+`]`)
	if ok := c.HearOK(t, early.ID.String()); ok.OK {
		t.Error("NIP42.3: authenticated before there was a challenge")
	}
	challenge := c.Challenge(t)
	now := time.Now().Unix()
	answer := func(kind uint16, url, challenge string, at int64) *event.Event {
		return alice.Sign(t, event.Event{Kind: kind, CreatedAt: at, Tags: tags([]string{"relay", url}, []string{"challenge", challenge})})
	}
	port := r.Addr[strings.LastIndexByte(r.Addr, ':'):]
	for _, a := range []struct {
		name string
		e    *event.Event
		ok   bool
	}{
		{"NIP42.3 another kind", answer(1, r.URL, challenge, now), false},
		{"NIP42.3 another challenge", answer(22242, r.URL, "x", now), false},
		{"NIP42.3 another relay", answer(22242, "wss://relay.example.com", challenge, now), false},
		{"NIP42.3 no relay", answer(22242, "", challenge, now), false},
		{"NIP42.9 another name of this machine", answer(22242, "ws://localhost"+port, challenge, now), false},
		{"NIP42.3 too old", answer(22242, r.URL, challenge, now-700), false},
		{"NIP42.3 too new", answer(22242, r.URL, challenge, now+700), false},
		{"NIP42.3 nine minutes ago", answer(22242, r.URL, challenge, now-540), true},
		{"NIP42.3 with a slash", answer(22242, r.URL+"/", challenge, now), true},
		{"NIP42.3 as wss", answer(22242, "wss://"+r.Addr, challenge, now), true},
		{"NIP42.8 once more", answer(22242, "wss://"+r.Addr, challenge, now), true},
	} {
		c.Say(t, "%s", `["AUTH",`+string(a.e.Raw)+`]`)
		if ok := c.HearOK(t, a.e.ID.String()); ok.OK != a.ok || !ok.OK && !strings.HasPrefix(ok.Text, "invalid: ") {
			t.Errorf("%s: %v %q", a.name, ok.OK, ok.Text)
		}
	}
	forged := []byte(strings.Replace(string(answer(22242, r.URL, challenge, now).Raw), `"sig":"`, `"sig":"00`, 1))
	c.Say(t, "%s", `["AUTH",`+string(forged)+`]`)
	if ok := c.Hear(t, wire.OK); ok.OK {
		t.Error("NIP42.3: a forged signature")
	}
	c.Say(t, `["AUTH","x"]`)
	if ok := c.Hear(t, wire.OK); ok.OK || ok.ID != "" {
		t.Errorf("NIP42.2: %v", ok)
	}

	// NIP42.8: on another connection
	d := r.Dial(t)
	d.Challenge(t)
	replay := answer(22242, r.URL, challenge, now)
	d.Say(t, "%s", `["AUTH",`+string(replay.Raw)+`]`)
	if ok := d.HearOK(t, replay.ID.String()); ok.OK {
		t.Error("NIP42.8: a replay on another connection")
	}
}

func TestNIP42SeveralIdentities(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		w := r.Dial(t)
		toAlice := carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 2, Tags: tags([]string{"p", alice.Hex()})})
		toBob := carol.Sign(t, event.Event{Kind: 1059, CreatedAt: 1, Tags: tags([]string{"p", bob.Hex()})})
		w.Accepted(t, toAlice, toBob)
		c := r.Dial(t)
		challenge := c.Challenge(t)
		c.Authenticate(t, alice, challenge)
		sameIDs(t, "alice", c.Query(t, `{"kinds":[1059]}`), toAlice)
		c.Authenticate(t, bob, challenge)
		sameIDs(t, "NIP42.4 both", c.Query(t, `{"kinds":[1059]}`), toAlice, toBob)
	})
}

func TestNIP42IdentitiesAreBounded(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c := r.Dial(t)
	challenge := c.Challenge(t)
	for i := range 64 {
		c.Authenticate(t, relaytest.NewKey(byte(i+1)), challenge)
	}
	c.Authenticate(t, relaytest.NewKey(7), challenge) // one of those
	more := relaytest.NewKey(65).Auth(t, r.URL, challenge)
	c.Say(t, "%s", `["AUTH",`+string(more.Raw)+`]`)
	if ok := c.HearOK(t, more.ID.String()); ok.OK || ok.Reason() != "rate-limited" {
		t.Errorf("the 65th identity: %v %q", ok.OK, ok.Text)
	}
}

func TestNIP42AnOpenSubscriptionSeesMoreAfterAuth(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{})
	c, w := r.Dial(t), r.Dial(t)
	c.Stored(t, "all", `{}`)
	wrap := func(n string) *event.Event {
		return carol.Sign(t, event.Event{Kind: 1059, Content: n, Tags: tags([]string{"p", alice.Hex()})})
	}
	w.Accepted(t, wrap("1"))
	c.Quiet(t)
	c.Authenticate(t, alice, c.Challenge(t))
	second := wrap("2")
	w.Accepted(t, second)
	sameIDs(t, "NIP42.7", []*event.Event{c.Event(t, "all")}, second)
}

func TestNIP42OurURL(t *testing.T) {
	r := start(t, func(c *relay.Config) { c.URL = "wss://relay.example.com/" })
	c := r.Dial(t)
	challenge := c.Challenge(t)
	c.URL = "wss://Relay.example.com:443"
	c.Authenticate(t, alice, challenge)
	e := alice.Auth(t, r.URL, challenge)
	c.Say(t, "%s", `["AUTH",`+string(e.Raw)+`]`)
	if c.HearOK(t, e.ID.String()).OK {
		t.Error("a URL is configured, and the host counted")
	}

	// Clients 1, NIP42.9: without one, the host that the client connected to.
	any := relaytest.Start(t, relaytest.Options{})
	v := any.Dial(t, "Host", "Virtual.example.org")
	challenge = v.Challenge(t)
	v.URL = "wss://virtual.example.org"
	v.Authenticate(t, alice, challenge)
	spoof := any.Dial(t, "X-Forwarded-Host", "virtual.example.org")
	challenge = spoof.Challenge(t)
	e = alice.Auth(t, "wss://virtual.example.org", challenge)
	spoof.Say(t, "%s", `["AUTH",`+string(e.Raw)+`]`)
	if spoof.HearOK(t, e.ID.String()).OK {
		t.Error("X-Forwarded-Host was believed of a peer that is not trusted")
	}
}

// members lets only those who authenticated as alice do anything.
type members struct{}

func (members) verdict(c policy.Client) policy.Verdict {
	switch a := c.Authed(); {
	case len(a) == 0:
		return policy.Refuse(reason.AuthRequired, "members only")
	case a[0] != alice.PubKey:
		return policy.Refuse(reason.Restricted, "members only")
	}
	return policy.Verdict{}
}

func (p members) Event(_ context.Context, c policy.Client, _ *event.Event) policy.Verdict {
	return p.verdict(c)
}

func (p members) Filter(_ context.Context, c policy.Client, _ *event.Filter) policy.Verdict {
	return p.verdict(c)
}

func TestNIP42RefusalsSayWhatIsMissing(t *testing.T) {
	r := relaytest.Start(t, relaytest.Options{Chain: policy.NewChain(nil, policy.Named{Name: "members", Policy: members{}})})
	for _, c := range []struct {
		name string
		say  string
		verb wire.Verb
	}{
		{"NIP42.6 EVENT", `["EVENT",` + string(alice.Note(t, "n").Raw) + `]`, wire.OK},
		{"NIP42.6 REQ", `["REQ","x",{}]`, wire.Closed},
		{"NIP01.29 REQ with limit 0", `["REQ","x",{"limit":0}]`, wire.Closed},
		{"NIP42.6 COUNT", `["COUNT","x",{}]`, wire.Closed},
	} {
		conn := r.Dial(t)
		conn.Say(t, "%s", c.say)
		challenge := conn.Hear(t, wire.Auth).Text // before the refusal
		if m := conn.Hear(t, c.verb); !strings.HasPrefix(m.Text, "auth-required: ") {
			t.Errorf("%s: %q", c.name, m.Text)
		}
		conn.Authenticate(t, bob, challenge)
		conn.Say(t, "%s", c.say)
		if m := conn.Hear(t, c.verb); !strings.HasPrefix(m.Text, "restricted: ") {
			t.Errorf("%s as somebody else: %q", c.name, m.Text)
		}
	}
	// A refused REQ has registered nothing.
	c, w := r.Dial(t), r.Dial(t)
	c.Say(t, `["REQ","x",{"limit":0}]`)
	challenge := c.Hear(t, wire.Auth).Text
	c.Hear(t, wire.Closed)
	w.Say(t, `["COUNT","x",{}]`)
	toWriter := w.Hear(t, wire.Auth).Text
	w.Hear(t, wire.Closed)
	w.Authenticate(t, alice, toWriter)
	w.Accepted(t, alice.Note(t, "secret"))
	c.Authenticate(t, alice, challenge)
	c.Quiet(t)
}

// NIP42.5: what a client proves is told to the relay alone.
func TestNIP42AuthIsNobodyElsesBusiness(t *testing.T) {
	onStores(t, func(t *testing.T, r *relaytest.Relay) {
		reader, c := r.Dial(t), r.Dial(t)
		reader.Stored(t, "all", `{}`)
		reader.Stored(t, "auth", `{"kinds":[22242]}`)
		challenge := c.Challenge(t)
		c.Authenticate(t, alice, challenge)
		c.Authenticate(t, bob, challenge)
		reader.Quiet(t)
		sameIDs(t, "NIP42.5", c.Query(t, `{"kinds":[22242]}`))
	})
}

// NIP11.4, NIP42.6: a relay that announces auth_required asks for it before
// anything is done, and takes everything after it.
func TestNIP42ARelayThatAsksEverybody(t *testing.T) {
	chain, faults := builtin.Build(policy.Env{}, nil, []map[string]any{{"use": "auth"}})
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	r := relaytest.Start(t, relaytest.Options{Chain: chain})
	if doc := document(t, r); doc["limitation"].(map[string]any)["auth_required"] != true {
		t.Errorf("NIP11.4: %v", doc["limitation"])
	}
	for _, q := range []struct{ say, refused, taken string }{
		{`["EVENT",` + string(alice.Note(t, "n").Raw) + `]`, `["OK","`, `["OK","`},
		{`["REQ","x",{}]`, `["CLOSED","x","auth-required: `, `["EVENT","x"`},
		{`["REQ","x",{"limit":0}]`, `["CLOSED","x","auth-required: `, `["EOSE","x"`},
		{`["COUNT","x",{}]`, `["CLOSED","x","auth-required: `, `["COUNT","x"`},
		{`["NEG-OPEN","x",{},"61"]`, `["NEG-ERR","x","auth-required: `, `["NEG-MSG","x"`},
	} {
		c := r.Dial(t)
		c.Say(t, "%s", q.say)
		challenge := c.Hear(t, wire.Auth).Text
		if m := c.Next(t); !strings.HasPrefix(m, q.refused) || !strings.Contains(m, `"auth-required: `) {
			t.Errorf("NIP42.6 %.30s: %s", q.say, m)
		}
		c.Authenticate(t, alice, challenge)
		c.Say(t, "%s", q.say)
		if m := c.Next(t); !strings.HasPrefix(m, q.taken) || strings.Contains(m, "auth-required") {
			t.Errorf("NIP42.6 %.30s once authenticated: %s", q.say, m)
		}
	}
}
