package builtin

import (
	"context"
	"testing"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/policytest"
)

func TestScopesAreViewsOfOneStore(t *testing.T) {
	p := use(t, "use='scopes'\ndomain='geo.example'").(*Scopes)
	at5 := at(1, "g=u33dc")
	for _, c := range []struct {
		host    string
		e       event.Event
		refused string
		seen    bool
	}{
		{"geo.example", at5, "", true},
		{"geo.example", at(1), "", true},
		{"www.geo.example", at(1, "g=9q"), "", true},
		{"elsewhere.example", at(1, "g=9q"), "", true},
		{"notgeo.example", at(1, "g=9q"), "", true},
		{"u.geo.example", at5, "", true},
		{"u33.geo.example", at5, "", true},
		{"u33dc.geo.example", at5, "", true},
		{"u33.geo.example", ladder(1, "u33dc1v0"), "", true},
		{"u33dc1.geo.example", at5, "restricted: only notes within u33dc1 are accepted at this address; post notes from u33dc to wss://u33dc.geo.example", false},
		{"9q8.geo.example", at5, "restricted: only notes within 9q8", false},
		{"9q8.geo.example", at(1, "g=u33dc", "g=9q8yy"), "", true},
		{"u33.geo.example", at(1), `restricted: only notes within u33 are accepted at this address; add a "g" tag`, false},
		{"u33.geo.example", at(0), "", true},
		{"u33.geo.example", at(10002), "", true},
		{"u33.geo.example", at(7), "", true},
		{"u33.geo.example", at(7, "g=9q"), "restricted: ", false},
		{"u33.geo.example", at(20000, "r=u33dc1"), "", true},
	} {
		client := &policytest.Client{Name: c.host}
		expect(t, c.host+" takes it", ask(p, client, c.e), c.refused)
		if got := p.Deliver(client, &policy.View{Event: policytest.Event(c.e)}); got != c.seen {
			t.Errorf("%s shows %v: %v", c.host, c.e.Tags, got)
		}
	}
	for host, want := range map[string]string{
		"geo.example": "", "u33.geo.example": "", "www.geo.example": "", "ail.geo.example": `restricted: "ail" is not a geohash, so ail.geo.example is no relay`,
		"a.u33.geo.example": `restricted: "a.u33" is not`, ".geo.example": "",
	} {
		expect(t, host, text(p.Connect(context.Background(), &policytest.Client{Name: host}, nil)), want)
	}
	for host, want := range map[string]bool{
		"geo.example": true, "u33.geo.example": true, "www.geo.example": true, "ail.geo.example": false, "notgeo.example": false,
		".geo.example": false, "elsewhere.example": false, "": false,
	} {
		if got := p.OwnHost(host); got != want {
			t.Errorf("%s is ours: %v", host, got)
		}
	}
	if _, faults := build(t, "[[policy]]\nuse='scopes'"); len(faults) != 1 {
		t.Error(faults)
	}
}

func TestScopesByPathAreTheSame(t *testing.T) {
	p := use(t, "use='scopes'\npaths=true").(*Scopes)
	for _, c := range []struct {
		path    string
		e       event.Event
		refused string
		seen    bool
	}{
		{"", at(1, "g=9q"), "", true},
		{"", at(1), "", true},
		{"/at/u33", at(1, "g=u33dc"), "", true},
		{"/at/u33", ladder(1, "u33dc1v0"), "", true},
		{"/at/u33", at(1, "g=u3"), "restricted: only notes within u33 are accepted at this address; post notes from u3 to /at/u3 of this relay", false},
		{"/at/u33", at(1), `restricted: only notes within u33 are accepted at this address; add a "g" tag`, false},
		{"/at/u33", at(0), "", true},
		{"/at/u33", at(20000, "r=u33dc1"), "", true},
	} {
		client := &policytest.Client{Name: "relay.example.", Door: c.path}
		expect(t, c.path+" takes it", ask(p, client, c.e), c.refused)
		if got := p.Deliver(client, &policy.View{Event: policytest.Event(c.e)}); got != c.seen {
			t.Errorf("%s shows %v: %v", c.path, c.e.Tags, got)
		}
		if got, want := policy.NewChain(nil, policy.Named{Name: "scopes", Policy: p}).RestrictsFor(client, 1), c.path != ""; got != want {
			t.Errorf("%q costs its readers something: %v", c.path, got)
		}
		expect(t, c.path, text(p.Connect(context.Background(), client, nil)), "")
	}
	for _, host := range []string{"", "u33.", "u33.example"} {
		if p.OwnHost(host) {
			t.Errorf("%q is ours", host)
		}
	}
}
