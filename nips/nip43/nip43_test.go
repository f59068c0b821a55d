package nip43_test

import (
	"fmt"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip43"
)

func parsed(t *testing.T, e event.Event) *event.Event {
	t.Helper()
	e.ID = event.ComputeID(&e)
	p, err := event.Parse(e.Append(nil))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestFault(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	claim, minus := event.Tag{"claim", "c"}, event.Tag{"-"}
	for _, c := range []struct {
		kind uint16
		at   time.Duration
		tags []event.Tag
		ok   bool
	}{
		{nip43.KindJoin, 0, []event.Tag{claim}, true},
		{nip43.KindJoin, nip43.Window, []event.Tag{minus, claim}, true},
		{nip43.KindJoin, -nip43.Window, []event.Tag{claim}, true},
		{nip43.KindJoin, nip43.Window + time.Second, []event.Tag{claim}, false},
		{nip43.KindJoin, -nip43.Window - time.Second, []event.Tag{claim}, false},
		{nip43.KindJoin, 0, nil, false},
		{nip43.KindJoin, 0, []event.Tag{{"claim"}}, false},
		{nip43.KindLeave, 0, []event.Tag{minus}, true},
		{nip43.KindLeave, 0, nil, false},
		{nip43.KindLeave, time.Hour, []event.Tag{minus}, false},
	} {
		e := parsed(t, event.Event{Kind: c.kind, CreatedAt: now.Add(c.at).Unix(), Tags: c.tags})
		if fault := nip43.Fault(e, now); (fault == "") != c.ok {
			t.Errorf("%d %v %v: %q", c.kind, c.at, c.tags, fault)
		}
	}
	for _, at := range []int64{0, 1 << 40} { // no time is too far away to be told so
		if nip43.Fault(parsed(t, event.Event{Kind: nip43.KindJoin, CreatedAt: at, Tags: []event.Tag{claim}}), now) == "" {
			t.Error(at)
		}
	}
}

func TestEvents(t *testing.T) {
	pk := event.PubKey{1}
	zero, last := 0, 360
	role := nip43.Role{ID: "king", Label: "King", Color: &zero, Order: &last}
	for want, e := range map[string]event.Event{
		"28935 [[-] [claim abc]]":                                 nip43.Invite("abc"),
		fmt.Sprintf("8000 [[-] [p %s]]", pk):                      nip43.Added(pk),
		fmt.Sprintf("8001 [[-] [p %s]]", pk):                      nip43.Removed(pk),
		"13534 [[-]]":                                             nip43.Members(nil),
		fmt.Sprintf("13534 [[-] [member %s king jester]]", pk):    nip43.Members([]nip43.Member{{PubKey: pk, Roles: []string{"king", "jester"}}}),
		"33534 [[-] [d king] [label King] [color 0] [order 360]]": role.Event(),
		fmt.Sprintf("5 [[a 33534:%s:king] [k 33534]]", pk):        nip43.Deleted(pk, nip43.KindRole, "king"),
	} {
		if got := fmt.Sprint(e.Kind, " ", e.Tags); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if e.Kind != event.KindDeletion && !parsed(t, e).Protected() {
			t.Errorf("%d is not protected", e.Kind)
		}
	}
	if e := nip43.Invite("abc"); nip43.Claim(parsed(t, e)) != "abc" {
		t.Error("the claim of an invite is not found")
	}
}
