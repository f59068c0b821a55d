package relay_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip43"
	"moa/nips/nip62"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/desk"
	"moa/relay/relaytest"
	"moa/store"
	"moa/store/memstore"
	"moa/store/state"
)

// club is a relay with members, of which alice is the administrator.
type club struct {
	*relaytest.Relay
	desk  *desk.Desk
	rules atomic.Pointer[relay.Members]
}

// clubOptions is what is special about a club. Its zero value is a relay that only members
// may write to.
type clubOptions struct {
	config  func(*relay.Config)
	tables  []map[string]any
	store   store.Store
	path    string                                   // of the state; "": a new one
	publish func(context.Context, event.Event) error // nil: the relay's
	still   bool                                     // the desk's work is not begun
}

func startClub(t *testing.T, o clubOptions) *club {
	t.Helper()
	if o.store == nil {
		o.store = memstore.New()
	}
	if o.path == "" {
		o.path = filepath.Join(t.TempDir(), state.File)
	}
	if o.tables == nil {
		o.tables = []map[string]any{{"use": "allow", "members": true, "exempt": "62, 29999"}}
	}
	c := new(club)
	var clock atomic.Pointer[relaytest.Relay] // policies ask as soon as it starts
	clock.Store(new(relaytest.Relay))
	now := func() time.Time { return clock.Load().Now() }
	st, err := state.Open(t.Context(), state.Options{Path: o.path, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { st.Close() })
	env := envOn(o.store)
	find := env.Stored
	deps := desk.Deps{
		State: st, Now: now, Stored: find, Self: func() event.PubKey { return relayKey.PubKey },
		Changed:       func() { c.Server.Decided(context.Background()) },
		Publish:       func(ctx context.Context, e event.Event) error { return c.Server.Publish(ctx, e) },
		Administrator: func(pk event.PubKey) bool { return pk == alice.PubKey },
		Members: func() desk.MemberRules {
			rules := c.rules.Load()
			return desk.MemberRules{Publish: rules.Enabled, PublishMost: rules.PublishMost, Invites: rules.Invites, InviteFor: rules.InviteFor}
		},
	}
	if o.publish != nil {
		deps.Publish = o.publish
	}
	c.desk = desk.New(deps)
	env.Decided, env.Members, env.Administrators = c.desk.Decided(), c.desk.Decided(), []event.PubKey{alice.PubKey}
	env.Now, env.Self = now, deps.Self
	configure := func(cfg *relay.Config) {
		cfg.Members.Enabled = true
		if o.config != nil {
			o.config(cfg)
		}
		rules := cfg.Members
		c.rules.Store(&rules)
		env.HideMembers = !rules.Public
	}
	probe := relay.DefaultConfig()
	configure(&probe)
	c.Relay = relaytest.Start(t, relaytest.Options{
		Config: configure, Chain: buildIn(t, env, o.tables), Store: o.store, Identity: identity(t),
		Members: desk.NIP43{Desk: c.desk}, Vanished: c.desk.Vanished,
	})
	clock.Store(c.Relay)
	if !o.still {
		c.work(t)
	}
	return c
}

// work does the desk's work until the test ends.
func (c *club) work(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	var working sync.WaitGroup
	working.Go(func() {
		if err := c.desk.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { stop(); working.Wait() })
}

func (c *club) invite(t *testing.T, i state.Invite) string {
	t.Helper()
	i, err := c.desk.CreateInvite(t.Context(), shell, i)
	if err != nil {
		t.Fatal(err)
	}
	return i.Code
}

func (c *club) member(t *testing.T, k relaytest.Key, roles ...string) {
	t.Helper()
	if err := c.desk.AddMember(t.Context(), shell, state.Membership{PubKey: k.PubKey, Roles: roles}); err != nil {
		t.Fatal(err)
	}
}

// joins is a request to join.
func (c *club) joins(t *testing.T, k relaytest.Key, code string) *event.Event {
	return k.Sign(t, event.Event{Kind: nip43.KindJoin, CreatedAt: c.Now().Unix(), Tags: tags([]string{"-"}, []string{"claim", code})})
}

// asks is a request to join without a "-" tag: it needs no AUTH.
func (c *club) asks(t *testing.T, k relaytest.Key, code string) *event.Event {
	return k.Sign(t, event.Event{Kind: nip43.KindJoin, CreatedAt: c.Now().Unix(), Tags: tags([]string{"claim", code})})
}

func (c *club) leaves(t *testing.T, k relaytest.Key) *event.Event {
	return k.Sign(t, event.Event{Kind: nip43.KindLeave, CreatedAt: c.Now().Unix(), Tags: tags([]string{"-"})})
}

// dial connects somebody who has authenticated.
func (c *club) dial(t *testing.T, k relaytest.Key) *relaytest.Client {
	t.Helper()
	conn := c.Dial(t)
	conn.Authenticate(t, k, conn.Challenge(t))
	return conn
}

// said waits until the relay has said something of that kind that will do.
func (c *club) said(t *testing.T, what string, kind uint16, ok func(*event.Event) bool) *event.Event {
	t.Helper()
	conn := c.Dial(t)
	defer conn.Close()
	var found *event.Event
	relaytest.Eventually(t, what, func() bool {
		for _, e := range conn.Query(t, fmt.Sprintf(`{"kinds":[%d],"authors":[%q]}`, kind, relayKey.Hex())) {
			if ok(e) {
				found = e
			}
		}
		return found != nil
	})
	return found
}

// answered expects an OK.
func answered(t *testing.T, c *relaytest.Client, e *event.Event, ok bool, prefix string) {
	t.Helper()
	if r := c.Send(t, e); r.OK != ok || !strings.HasPrefix(r.Text, prefix) {
		t.Errorf("kind %d: %v %q, want %v %q", e.Kind, r.OK, r.Text, ok, prefix)
	}
}

// NIP43.1: a request to join is answered by its OK.
func TestNIP43Join(t *testing.T) {
	c := startClub(t, clubOptions{})
	one, over := c.invite(t, state.Invite{Most: 1}), c.invite(t, state.Invite{Until: c.Now().Unix() + 60})
	if _, err := c.desk.BanAuthor(t.Context(), shell, dave.PubKey, state.Ban{}, false); err != nil {
		t.Fatal(err)
	}
	conn := c.Dial(t)
	answered(t, conn, c.asks(t, dave, one), false, "restricted: this key is banned")
	answered(t, conn, c.asks(t, bob, "none"), false, "restricted: this invite code is not valid")
	conn.Refused(t, bob.Note(t, "not yet"), "restricted: ")
	answered(t, conn, c.asks(t, bob, one), true, "info: welcome")
	answered(t, conn, c.asks(t, bob, one), true, "duplicate: you are already a member of this relay.")
	answered(t, conn, c.asks(t, carol, one), false, "restricted: this invite code has been used up")
	answered(t, conn, c.asks(t, carol, over), true, "info: welcome")
	conn.Accepted(t, bob.Note(t, "on the connection that was open"))
	c.Advance(time.Minute)
	answered(t, conn, c.asks(t, relaytest.NewKey(9), over), false, "restricted: this invite code has been used up or has expired")
	for _, away := range []time.Duration{-6 * time.Minute, 6 * time.Minute} {
		e := dave.Sign(t, event.Event{Kind: nip43.KindJoin, CreatedAt: c.Now().Add(away).Unix(), Tags: tags([]string{"claim", one})})
		answered(t, conn, e, false, "invalid: created_at")
	}
	answered(t, conn, dave.Sign(t, event.Event{Kind: nip43.KindJoin, CreatedAt: c.Now().Unix()}), false, "invalid: ")
	forged := *c.asks(t, dave, one)
	forged.Sig[0] ^= 1
	forged.Raw = forged.Append(nil)
	answered(t, conn, &forged, false, "invalid: the signature")
	// With a "-" tag it is its author's alone to send (NIP-70).
	answered(t, conn, c.joins(t, carol, one), false, "auth-required: ")
	if n := c.Metric(t, "moa_joins_total", "result", "joined"); n != 2 {
		t.Errorf("%v have joined", n)
	}
}

// NIP43.2: an invite is made for the REQ that asks for it, and goes to nobody else.
func TestNIP43Invite(t *testing.T) {
	c := startClub(t, clubOptions{config: func(cfg *relay.Config) { cfg.Members.Invites = 2 }})
	c.member(t, bob)
	const filter = `{"kinds":[28935]}`
	stranger, live := c.Dial(t), c.dial(t, bob)
	live.Stored(t, "live", `{"kinds":[28934,28935,28936]}`)
	stranger.Closed(t, "i", "auth-required: ", `["REQ","i",`+filter+`]`)
	stranger.Authenticate(t, carol, "")
	stranger.Closed(t, "i", "restricted: you may invite nobody", `["REQ","i",`+filter+`]`)

	member := c.dial(t, bob)
	codes := map[string]int{}
	for range 4 {
		e := only(t, member.Query(t, filter))
		if e.PubKey != relayKey.PubKey || e.Kind != nip43.KindInvite || !e.Protected() || nip43.Claim(e) == "" {
			t.Errorf("%s", e.Raw)
		}
		codes[nip43.Claim(e)]++
	}
	if len(codes) != 2 { // as many as a member may have open
		t.Errorf("codes %v", codes)
	}
	for _, none := range []string{
		`{"kinds":[28935],"limit":0}`, `{"kinds":[28935],"authors":["` + bob.Hex() + `"]}`, `{"kinds":[28935],"until":1}`,
		`{"kinds":[28934,28935]}`, `{"authors":["` + relayKey.Hex() + `"],"kinds":[]}`,
	} {
		if got := member.Query(t, none); len(got) != 0 {
			t.Errorf("%s: %s", none, list(got))
		}
	}
	if got := member.Query(t, `{"kinds":[28935],"authors":["`+relayKey.Hex()+`"],"limit":1}`); len(got) != 1 {
		t.Error("a filter that names the relay finds no invite")
	}
	if n := member.Count(t, filter); n != 0 {
		t.Errorf("%d invites are stored", n)
	}
	if got := c.dial(t, alice).Query(t, filter); len(got) != 1 {
		t.Error("an administrator gets no invite")
	}
	live.Quiet(t)
	// Each is for one person.
	used := 0
	for code := range codes {
		answered(t, stranger, c.asks(t, carol, code), true, []string{"info: ", "duplicate: "}[used])
		used++
	}
	if m, _, err := c.desk.State().Membership(t.Context(), carol.PubKey); err != nil || m.Inviter != bob.PubKey {
		t.Error(m, err)
	}
	stranger.Refused(t, relayKey.Sign(t, nip43.Invite("x")), "restricted: invites are the relay's own")
	c.rules.Store(&relay.Members{Enabled: true})
	member.Closed(t, "i", "restricted: ", `["REQ","i",`+filter+`]`)
}

// NIP43.3: one leaves by a protected request.
func TestNIP43Leave(t *testing.T) {
	c := startClub(t, clubOptions{})
	c.member(t, bob)
	c.member(t, carol)
	conn := c.Dial(t)
	bare := bob.Sign(t, event.Event{Kind: nip43.KindLeave, CreatedAt: c.Now().Unix()})
	answered(t, conn, bare, false, `invalid: a request to leave has a "-" tag`)
	answered(t, conn, c.leaves(t, bob), false, "auth-required: ")
	conn.Authenticate(t, carol, "")
	answered(t, conn, c.leaves(t, bob), false, "restricted: ")
	conn.Authenticate(t, bob, "")
	old := bob.Sign(t, event.Event{Kind: nip43.KindLeave, CreatedAt: c.Now().Unix() - 600, Tags: tags([]string{"-"})})
	answered(t, conn, old, false, "invalid: created_at")
	conn.Accepted(t, bob.Note(t, "still here"))
	answered(t, conn, c.leaves(t, bob), true, "info: ")
	conn.Refused(t, bob.Note(t, "gone"), "restricted: ")
	answered(t, conn, c.leaves(t, bob), true, "duplicate: ")
	conn.Accepted(t, carol.Note(t, "on the same connection"))
}

// listed are the tags of the members in the list.
func listed(e *event.Event) (members []string) {
	for _, t := range e.Tags {
		if t[0] == "member" {
			members = append(members, strings.Join(t[1:], " "))
		}
	}
	return members
}

// NIP43.4 and NIP43.5: the relay says who comes and goes, who its members are, and what
// the roles are; to those that listen, too.
func TestNIP43TheRelaySaysWhoItsMembersAre(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			c := startClub(t, clubOptions{store: open(t)})
			color := 120
			ctx := t.Context()
			live := c.Dial(t)
			live.Stored(t, "live", `{"kinds":[8000,8001],"limit":0}`)
			if err := c.desk.CreateRole(ctx, shell, state.Role{ID: "editor", Label: "Editor", Color: &color}); err != nil {
				t.Fatal(err)
			}
			role := c.said(t, "the role", nip43.KindRole, func(e *event.Event) bool { return true })
			if got := fmt.Sprint(role.Tags); got != "[[-] [d editor] [label Editor] [color 120]]" {
				t.Error(got)
			}
			code := c.invite(t, state.Invite{Most: 1, Roles: []string{"editor"}})
			answered(t, c.Dial(t), c.asks(t, bob, code), true, "info: ")
			if e := live.Event(t, "live"); e.Kind != nip43.KindAdded || fmt.Sprint(e.Tags) != "[[-] [p "+bob.Hex()+"]]" || e.PubKey != relayKey.PubKey {
				t.Errorf("%s", e.Raw)
			}
			c.said(t, "bob is listed", nip43.KindMembers, func(e *event.Event) bool {
				return e.Protected() && fmt.Sprint(listed(e)) == "["+bob.Hex()+" editor]"
			})
			if err := c.desk.UnassignRole(ctx, shell, bob.PubKey, "editor"); err != nil {
				t.Fatal(err)
			}
			c.said(t, "bob is no editor", nip43.KindMembers, func(e *event.Event) bool { return fmt.Sprint(listed(e)) == "["+bob.Hex()+"]" })
			if err := errors.Join(c.desk.RemoveMember(ctx, shell, bob.PubKey, ""), c.desk.DeleteRole(ctx, shell, "editor")); err != nil {
				t.Fatal(err)
			}
			if e := live.Event(t, "live"); e.Kind != nip43.KindRemoved || fmt.Sprint(e.Tags) != "[[-] [p "+bob.Hex()+"]]" {
				t.Errorf("%s", e.Raw)
			}
			c.said(t, "nobody is listed", nip43.KindMembers, func(e *event.Event) bool { return len(listed(e)) == 0 })
			conn := c.Dial(t)
			relaytest.Eventually(t, "the role is gone", func() bool { return len(conn.Query(t, `{"kinds":[33534]}`)) == 0 })
			if err := c.desk.CreateRole(ctx, shell, state.Role{ID: "editor"}); err != nil { // in the same second
				t.Fatal(err)
			}
			c.said(t, "the role is back", nip43.KindRole, func(*event.Event) bool { return true })
			for _, kind := range []uint16{8000, 8001, 13534, 33534} {
				conn.Refused(t, bob.Sign(t, event.Event{Kind: kind, Tags: tags([]string{"d", "editor"})}), "restricted: events of kind")
			}
		})
	}
}

// NIP43.4: of more members than members.publish_most there is no list.
func TestNIP43LongListsAreNotPublished(t *testing.T) {
	c := startClub(t, clubOptions{config: func(cfg *relay.Config) { cfg.Members.PublishMost = 2 }})
	c.member(t, alice)
	c.member(t, bob)
	c.said(t, "two", nip43.KindMembers, func(e *event.Event) bool { return len(listed(e)) == 2 })
	c.member(t, carol)
	c.said(t, "carol", nip43.KindAdded, func(e *event.Event) bool { return strings.Contains(string(e.Raw), carol.Hex()) })
	conn := c.Dial(t)
	relaytest.Eventually(t, "the list is gone", func() bool { return len(conn.Query(t, `{"kinds":[13534]}`)) == 0 })
	c.Advance(2 * time.Second) // what was deleted is older than what follows
	if err := c.desk.RemoveMember(t.Context(), shell, carol.PubKey, ""); err != nil {
		t.Fatal(err)
	}
	c.said(t, "two again", nip43.KindMembers, func(e *event.Event) bool { return len(listed(e)) == 2 })
}

// NIP43.6: nobody sees a request, stored or live, whatever was asked for.
func TestNIP43RequestsAreShownToNobody(t *testing.T) {
	c := startClub(t, clubOptions{config: func(cfg *relay.Config) {
		cfg.Geo.Replay, cfg.Geo.ReplayKinds = time.Hour, []int{28934, 28936}
	}, tables: []map[string]any{}})
	live := c.dial(t, bob)
	live.Stored(t, "live", `{"kinds":[28934,28936]}`, `{"authors":["`+bob.Hex()+`"]}`)
	conn := c.dial(t, bob)
	answered(t, conn, c.asks(t, bob, "wrong"), false, "restricted: ")
	answered(t, conn, c.asks(t, bob, c.invite(t, state.Invite{})), true, "info: ")
	answered(t, conn, c.leaves(t, bob), true, "info: ")
	live.Quiet(t)
	if got := conn.Query(t, `{"kinds":[28934,28936],"since":1}`); len(got) != 0 {
		t.Error(list(got))
	}
}

// NIP43.7: of two clients that claim one code at once, one becomes a member.
func TestNIP43OneCodeLetsInOne(t *testing.T) {
	c := startClub(t, clubOptions{})
	const clients = 8
	for round := range 5 {
		code := c.invite(t, state.Invite{Most: 1})
		var all sync.WaitGroup
		var mu sync.Mutex
		got := map[string]int{}
		for i := range clients {
			conn, k := c.Dial(t), relaytest.NewKey(byte(100+round*clients+i))
			e := c.asks(t, k, code)
			all.Go(func() {
				r := conn.Send(t, e)
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint(r.OK)]++
			})
		}
		all.Wait()
		if got["true"] != 1 || got["false"] != clients-1 {
			t.Errorf("round %d: %v", round, got)
		}
	}
	if n := c.desk.State().MemberCount(); n != 5 {
		t.Errorf("%d members", n)
	}
}

// NIP43.7: a refused admission leaves the code as it was.
func TestNIP43ARefusedAdmissionLeavesTheCode(t *testing.T) {
	c := startClub(t, clubOptions{})
	ctx := t.Context()
	code := c.invite(t, state.Invite{Most: 1})
	if _, err := c.desk.BanAuthor(ctx, shell, bob.PubKey, state.Ban{}, false); err != nil {
		t.Fatal(err)
	}
	conn := c.Dial(t)
	answered(t, conn, c.asks(t, bob, code), false, "restricted: ")
	if err := c.desk.UnbanAuthor(ctx, shell, bob.PubKey, ""); err != nil {
		t.Fatal(err)
	}
	answered(t, conn, c.asks(t, bob, code), true, "info: ")
}

// NIP43.8: a person's own list of memberships is taken from members.
func TestNIP43MembershipsOfMembers(t *testing.T) {
	c := startClub(t, clubOptions{})
	c.member(t, bob)
	conn := c.Dial(t)
	conn.Accepted(t, bob.Sign(t, event.Event{Kind: nip43.KindMemberships, Tags: tags([]string{"relay", "wss://relay.example"})}))
	conn.Refused(t, carol.Sign(t, event.Event{Kind: nip43.KindMemberships}), "restricted: ")
}

// With hidden lists, members and administrators alone see who the members are, stored and
// live.
func TestHiddenListsOfMembersAreForMembers(t *testing.T) {
	c := startClub(t, clubOptions{config: func(cfg *relay.Config) { cfg.Members.Public = false }})
	c.member(t, bob)
	readers := map[string]*relaytest.Client{"bob": c.dial(t, bob), "alice": c.dial(t, alice), "carol": c.dial(t, carol), "nobody": c.Dial(t)}
	admin := readers["alice"]
	relaytest.Eventually(t, "bob is listed", func() bool {
		list := admin.Query(t, `{"kinds":[13534]}`)
		return len(list) == 1 && len(listed(list[0])) == 1 && len(admin.Query(t, `{"kinds":[8000]}`)) == 1
	})
	for name, r := range readers {
		want := map[bool]int{true: 2, false: 0}[name == "bob" || name == "alice"]
		if got := r.Query(t, `{"authors":["`+relayKey.Hex()+`"]}`); len(got) != want {
			t.Errorf("%s sees %s", name, list(got))
		}
		r.Stored(t, "live", `{"authors":["`+relayKey.Hex()+`"],"limit":0}`)
	}
	c.member(t, dave)
	for _, name := range []string{"bob", "alice"} {
		one, other := readers[name].Event(t, "live"), readers[name].Event(t, "live")
		if one.Kind+other.Kind != nip43.KindAdded+nip43.KindMembers {
			t.Errorf("%s hears %s and %s", name, one.Raw, other.Raw)
		}
	}
	readers["carol"].Quiet(t)
	readers["nobody"].Quiet(t)
	readers["carol"].Closed(t, "list", "restricted: only members", `["REQ","list",{"kinds":[13534]}]`)
}

// On the connection that is open, what a member has open comes alive, and what one who
// was expelled has open goes silent.
func TestMembersReadOnTheConnectionThatIsOpen(t *testing.T) {
	c := startClub(t, clubOptions{tables: []map[string]any{{"use": "readers", "members": true, "kinds": "30023"}}})
	code := c.invite(t, state.Invite{})
	reader, writer := c.dial(t, bob), c.Dial(t)
	reader.Stored(t, "live", `{"authors":["`+carol.Hex()+`"]}`)
	article := func(d string) *event.Event {
		return carol.Sign(t, event.Event{Kind: 30023, Content: d, Tags: tags([]string{"d", d})})
	}
	writer.Accepted(t, article("before"))
	reader.Quiet(t)
	answered(t, reader, c.asks(t, bob, code), true, "info: ")
	within := article("within")
	writer.Accepted(t, within)
	if e := reader.Event(t, "live"); e.ID != within.ID {
		t.Errorf("%s", e.Raw)
	}
	reader.Stored(t, "articles", `{"kinds":[30023]}`)
	if err := c.desk.RemoveMember(t.Context(), shell, bob.PubKey, "rude"); err != nil {
		t.Fatal(err)
	}
	if r := reader.Hear(t, wire.Closed); r.SubID != "articles" || !strings.HasPrefix(r.Text, "restricted: ") {
		t.Error(r.SubID, r.Text)
	}
	writer.Accepted(t, article("after"))
	reader.Quiet(t)
}

// A crash between a change and what is published of it loses nothing: the next start
// publishes it, once.
func TestWhatIsNotPublishedIsPublishedAtTheNextStart(t *testing.T) {
	st, path := memstore.New(), filepath.Join(t.TempDir(), state.File)
	t.Run("before", func(t *testing.T) {
		c := startClub(t, clubOptions{store: st, path: path, still: true})
		c.member(t, bob)
		c.member(t, carol)
		if err := c.desk.RemoveMember(t.Context(), shell, carol.PubKey, ""); err != nil {
			t.Fatal(err)
		}
		if got := c.Dial(t).Query(t, `{"kinds":[8000,8001,13534]}`); len(got) != 0 {
			t.Error(list(got))
		}
	})
	for range 2 {
		t.Run("after", func(t *testing.T) {
			c := startClub(t, clubOptions{store: st, path: path})
			c.said(t, "bob is listed", nip43.KindMembers, func(e *event.Event) bool { return fmt.Sprint(listed(e)) == "["+bob.Hex()+"]" })
			relaytest.Eventually(t, "all jobs are done", func() bool {
				jobs, err := c.desk.State().Jobs(t.Context())
				return err == nil && len(jobs) == 0
			})
			if got := c.Dial(t).Query(t, `{"kinds":[8000,8001]}`); len(got) != 3 {
				t.Error(list(got))
			}
		})
	}
}

// What cannot be published now is kept, and none of it is published twice.
func TestAFailedPublicationIsTriedAgain(t *testing.T) {
	var c *club
	var mu sync.Mutex
	fails := true
	c = startClub(t, clubOptions{publish: func(ctx context.Context, e event.Event) error {
		mu.Lock()
		defer mu.Unlock()
		if fails {
			return errors.New("the disk is full")
		}
		return c.Server.Publish(ctx, e)
	}, still: true})
	c.member(t, bob)
	c.work(t)
	mu.Lock()
	fails = false
	mu.Unlock()
	c.desk.Reloaded()
	c.said(t, "bob is listed", nip43.KindMembers, func(e *event.Event) bool { return len(listed(e)) == 1 })
}

// Nobody guesses codes: requests from one address are bounded.
func TestRequestsToJoinAreBounded(t *testing.T) {
	c := startClub(t, clubOptions{config: func(cfg *relay.Config) {
		cfg.Members.JoinsPerIP = 3
		cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	}})
	c.Hold()
	code := c.invite(t, state.Invite{})
	guesser, other := c.Dial(t, "X-Forwarded-For", "192.0.2.7"), c.Dial(t, "X-Forwarded-For", "198.51.100.7")
	for i := range 3 {
		answered(t, guesser, c.asks(t, bob, fmt.Sprint("guess ", i)), false, "restricted: ")
	}
	answered(t, guesser, c.asks(t, bob, code), false, "rate-limited: ")
	answered(t, other, c.asks(t, carol, code), true, "info: ")
	c.Advance(20 * time.Minute)
	answered(t, guesser, c.asks(t, bob, code), true, "info: ")
	if n := c.Metric(t, "moa_joins_total", "result", "rate_limited"); n != 1 {
		t.Errorf("%v were bounded", n)
	}
}

// Without members the relay takes no request, and does not say that it knows the NIP.
func TestNIP43IsOffUnlessItIsOn(t *testing.T) {
	off := startClub(t, clubOptions{config: func(cfg *relay.Config) { cfg.Members.Enabled = false }, tables: []map[string]any{}})
	code := off.invite(t, state.Invite{})
	conn := off.dial(t, bob)
	answered(t, conn, off.asks(t, bob, code), false, "restricted: this relay has no members")
	answered(t, conn, off.leaves(t, bob), false, "restricted: this relay has no members")
	off.member(t, bob)
	if got := conn.Query(t, `{"kinds":[28935]}`, `{"kinds":[13534,8000,8001]}`); len(got) != 0 {
		t.Error(list(got))
	}
	relaytest.Eventually(t, "nothing waits to be published", func() bool {
		jobs, err := off.desk.State().Jobs(t.Context())
		return err == nil && len(jobs) == 0
	})
	on := startClub(t, clubOptions{})
	for r, want := range map[*club]bool{off: false, on: true} {
		_, doc := get(t, r.Relay, "GET", "/", "Accept", "application/nostr+json")
		if strings.Contains(doc, ",43,") != want {
			t.Errorf("%s", doc)
		}
	}
}

// A note on somebody who vanishes is forgotten, and none is kept any more.
func TestAVanishForgetsNotes(t *testing.T) {
	c := startClub(t, clubOptions{})
	ctx := t.Context()
	if err := c.desk.AddMember(ctx, shell, state.Membership{PubKey: bob.PubKey, Note: "lives in Main Street"}); err != nil {
		t.Fatal(err)
	}
	c.Dial(t).Accepted(t, bob.Sign(t, event.Event{Kind: event.KindVanish, Tags: tags([]string{"relay", nip62.AllRelays})}))
	relaytest.Eventually(t, "the note is forgotten", func() bool {
		m, is, err := c.desk.State().Membership(ctx, bob.PubKey)
		return err == nil && is && m.Note == ""
	})
	if err := c.desk.NoteMember(ctx, shell, bob.PubKey, "again"); !errors.Is(err, state.ErrRequest) {
		t.Error(err)
	}
}

// All that is known of a person can be had.
func TestExportOfAPerson(t *testing.T) {
	c := startClub(t, clubOptions{config: func(cfg *relay.Config) { cfg.Members.Invites = 1 }})
	ctx := t.Context()
	c.member(t, bob)
	code := nip43.Claim(only(t, c.dial(t, bob).Query(t, `{"kinds":[28935]}`)))
	answered(t, c.Dial(t), c.asks(t, carol, code), true, "info: ")
	note, report := bob.Note(t, "bad"), carol.Sign(t, event.Event{Kind: event.KindReport, Tags: tags([]string{"p", bob.Hex(), "spam"})})
	c.Dial(t).Accepted(t, note, report, bob.Sign(t, event.Event{Kind: event.KindReport, Tags: tags([]string{"p", carol.Hex(), "spam"})}), carol.Note(t, "worse"))
	if _, err := c.desk.BanAuthor(ctx, shell, bob.PubKey, state.Ban{Why: "rude"}, false); err != nil {
		t.Fatal(err)
	}
	if err := c.desk.HideEvent(ctx, shell, note.ID, ""); err != nil {
		t.Fatal(err)
	}
	k, err := c.desk.Export(ctx, bob.PubKey)
	if len(k.Hidden) != 1 || k.Hidden[0] != note.ID || len(k.Reports) != 1 || string(k.Reports[0]) != string(report.Raw) || k.ReportsMore || k.Closed == 0 {
		t.Errorf("hidden %v, reports %s, closed until %d", k.Hidden, k.Reports, k.Closed)
	}
	if err != nil || k.Member == nil || k.Ban == nil || k.Ban.Why != "rude" || len(k.Invites) != 1 || len(k.Invited) != 1 || k.Invited[0] != carol.PubKey || len(k.Changes) != 3 {
		t.Errorf("%+v %v", k, err)
	}
	waits := dave.Note(t, "please")
	room := state.WaitingBounds{Events: 9, Bytes: 9000, PerAddress: 9, PerAuthor: 9}
	if err := c.desk.State().Wait(ctx, waits, netip.MustParseAddr("203.0.113.7"), c.Now().Add(time.Hour).Unix(), room); err != nil {
		t.Fatal(err)
	}
	if k, err := c.desk.Export(ctx, dave.PubKey); err != nil || k.Approved || len(k.Waiting) != 1 || k.Waiting[0] != waits.ID {
		t.Errorf("%+v %v", k, err)
	}
	if err := c.desk.ApproveAuthor(ctx, shell, carol.PubKey, ""); err != nil {
		t.Fatal(err)
	}
	if k, err := c.desk.Export(ctx, carol.PubKey); err != nil || !k.Approved || len(k.Waiting) != 0 {
		t.Errorf("%+v %v", k, err)
	}
	if k, err := c.desk.Export(ctx, dave.PubKey); err != nil || k.Member != nil || k.Ban != nil || len(k.Changes)+len(k.Invites) != 0 {
		t.Errorf("%+v %v", k, err)
	}
}
