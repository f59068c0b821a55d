package state_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

// everybody adds all that a Store says of members, roles and invites.
func everybody(s *state.Store, all map[string]string) {
	ctx := context.Background()
	members, err := s.Members(ctx, state.MemberQuery{Limit: 1 << 20})
	if err != nil {
		panic(err)
	}
	for _, m := range members {
		all["member "+m.PubKey.String()] = fmt.Sprint(m.Inviter, m.Invite, m.Roles)
	}
	for pk, m := range s.AllMembers() {
		all["policies know "+pk.String()] = fmt.Sprint(m.Roles())
	}
	all["members"] = fmt.Sprint(s.MemberCount())
	for _, r := range s.Roles() {
		text, _ := json.Marshal(r)
		all["role "+r.ID] = string(text)
	}
	invites, err := s.Invites(ctx, nil, 0, 1<<20)
	if err != nil {
		panic(err)
	}
	for _, i := range invites {
		all["invite "+i.Code] = fmt.Sprint(i.By, i.Until, i.Most, i.Used, append([]string{}, i.Roles...))
	}
}

// What is forgotten of a member is not left in the files either.
func TestAForgottenNoteIsNotInTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), state.File)
	s, err := state.Open(t.Context(), state.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	const note = "lives in Main Street 7, by the mill"
	for i := range 20 {
		if err := s.AddMember(t.Context(), shell, state.Membership{PubKey: event.PubKey{byte(i), 1}, Note: fmt.Sprint(note, i)}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 20 {
		if err := s.NoteMember(t.Context(), state.Actor{Door: "vanish"}, event.PubKey{byte(i), 1}, ""); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatalf("%v %v", files, err)
	}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if n := bytes.Count(b, []byte(note)); n > 0 {
			t.Errorf("%s has %d notes that were forgotten", filepath.Base(name), n)
		}
	}
}

// replayedPeople is the same from the audit log alone.
type replayedPeople struct {
	members map[string]*state.Membership
	roles   map[string]string
	invites map[string]*state.Invite
}

func newReplayedPeople() *replayedPeople {
	return &replayedPeople{map[string]*state.Membership{}, map[string]string{}, map[string]*state.Invite{}}
}

func (p *replayedPeople) replay(t *testing.T, c state.Change) (known bool) {
	read := func(text json.RawMessage, into any) {
		if err := json.Unmarshal(text, into); err != nil {
			t.Fatal(err)
		}
	}
	without := func(roles []string, role string) []string {
		return slices.DeleteFunc(roles, func(r string) bool { return r == role })
	}
	var role string
	switch c.Verb {
	case "join", "add member":
		m := new(state.Membership)
		read(c.Became, m)
		p.members[c.Subject] = m
		if m.Invite != "" {
			p.invites[m.Invite].Used++
		}
	case "remove member", "leave":
		delete(p.members, c.Subject)
		for code, i := range p.invites {
			if i.By.String() == c.Subject {
				delete(p.invites, code)
			}
		}
	case "note member":
	case "create role", "edit role":
		p.roles[c.Subject] = string(c.Became)
	case "delete role":
		delete(p.roles, c.Subject)
		for _, m := range p.members {
			m.Roles = without(m.Roles, c.Subject)
		}
	case "assign role":
		read(c.Became, &role)
		m := p.members[c.Subject]
		m.Roles = append(m.Roles, role)
		slices.Sort(m.Roles)
	case "unassign role":
		read(c.Was, &role)
		m := p.members[c.Subject]
		m.Roles = without(m.Roles, role)
	case "create invite":
		i := new(state.Invite)
		read(c.Became, i)
		if c.By != "" {
			i.By, _ = event.ParsePubKey(c.By)
		}
		p.invites[c.Subject] = i
	case "cancel invite":
		delete(p.invites, c.Subject)
	default:
		return false
	}
	return true
}

func (p *replayedPeople) say(all map[string]string) {
	for pk, m := range p.members {
		all["member "+pk] = fmt.Sprint(m.Inviter, m.Invite, m.Roles)
		all["policies know "+pk] = fmt.Sprint(m.Roles)
	}
	all["members"] = fmt.Sprint(len(p.members))
	for id, text := range p.roles {
		all["role "+id] = text
	}
	for code, i := range p.invites {
		all["invite "+code] = fmt.Sprint(i.By, i.Until, i.Most, i.Used, append([]string{}, i.Roles...))
	}
}

// changePeople makes a change at random. What makes no sense is refused.
func changePeople(ctx context.Context, s *state.Store, dice *rand.Rand) error {
	pk := event.PubKey{byte(dice.IntN(3)), 1}
	role := fmt.Sprint("role", dice.IntN(3))
	code := fmt.Sprint("code", dice.IntN(3))
	by := state.Actor{Key: event.PubKey{byte(dice.IntN(3)), 1}, Door: "nip43"}
	number := dice.IntN(3)
	var err error
	switch dice.IntN(12) {
	case 0:
		err = s.AddMember(ctx, by, state.Membership{PubKey: pk, Inviter: by.Key, Roles: []string{role, "role0"}, Note: "of " + code})
	case 1:
		err = s.RemoveMember(ctx, by, pk, "")
	case 2:
		err = s.Leave(ctx, by)
	case 3:
		err = s.NoteMember(ctx, by, pk, []string{"", "one", "two"}[number])
	case 4:
		err = s.CreateRole(ctx, by, state.Role{ID: role, Color: &number})
	case 5:
		err = s.EditRole(ctx, by, state.Role{ID: role, Label: code, Order: &number})
	case 6:
		err = s.DeleteRole(ctx, by, role)
	case 7:
		err = s.AssignRole(ctx, by, pk, role)
	case 8:
		err = s.UnassignRole(ctx, by, pk, role)
	case 9:
		i := state.Invite{Code: code, Most: number, Until: int64(dice.IntN(2)) * (1 << 40)}
		if dice.IntN(2) == 0 {
			i.Roles = []string{role}
		}
		err = s.CreateInvite(ctx, by, i, number)
	case 10:
		err = s.CancelInvite(ctx, by, code)
	default:
		err = s.Claim(ctx, by, code, func(state.Invite) error {
			if number == 0 {
				return fmt.Errorf("%w: not today", state.ErrRequest)
			}
			return nil
		})
	}
	if errors.Is(err, state.ErrRequest) {
		return nil
	}
	return err
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

func admit(state.Invite) error { return nil }

// Of many people that claim a code at once, as many succeed as it is for.
func TestACodeIsForSoManyPeople(t *testing.T) {
	for _, most := range []int{1, 3} {
		s, _ := fresh(t)
		must(t, s.CreateInvite(t.Context(), shell, state.Invite{Code: "c", Most: most}, 0))
		var mu sync.Mutex
		got := map[string]int{}
		var all sync.WaitGroup
		for i := range byte(16) {
			all.Go(func() {
				err := s.Claim(context.Background(), state.Actor{Key: event.PubKey{i, 1}, Door: "nip43"}, "c", admit)
				mu.Lock()
				defer mu.Unlock()
				got[fmt.Sprint(err)]++
			})
		}
		all.Wait()
		if got["<nil>"] != most || got[state.ErrInviteSpent.Error()] != 16-most || s.MemberCount() != most {
			t.Errorf("for %d people: %v", most, got)
		}
		uses, err := s.InviteUses(t.Context(), "c", event.PubKey{}, 100)
		if err != nil || len(uses) != most {
			t.Error(uses, err)
		}
	}
}

// A code is as it was when somebody with it is not admitted.
func TestARefusedAdmissionLeavesTheCode(t *testing.T) {
	s, path := fresh(t)
	alice, bob := state.Actor{Key: event.PubKey{1}, Door: "nip43"}, state.Actor{Key: event.PubKey{2}, Door: "nip43"}
	must(t, s.CreateRole(t.Context(), shell, state.Role{ID: "writer"}),
		s.CreateInvite(t.Context(), bob, state.Invite{Code: "c", Most: 1, Roles: []string{"writer"}}, 1))
	refused := fmt.Errorf("%w: banned", state.ErrRequest)
	generation := s.Generation()
	if err := s.Claim(t.Context(), alice, "c", func(state.Invite) error { return refused }); !errors.Is(err, refused) {
		t.Error(err)
	}
	if s.Generation() != generation {
		t.Error("a refused claim has changed something")
	}
	must(t, s.Claim(t.Context(), alice, "c", admit))
	for code, want := range map[string]error{"c": state.ErrInviteSpent, "none": state.ErrNoInvite, "": state.ErrNoInvite} {
		if err := s.Claim(t.Context(), bob, code, admit); !errors.Is(err, want) {
			t.Errorf("%q: %v", code, err)
		}
	}
	if err := s.Claim(t.Context(), alice, "c", admit); !errors.Is(err, state.ErrMember) {
		t.Error(err)
	}
	s.Close()
	s = open(t, path)
	m, ok, err := s.Membership(t.Context(), alice.Key)
	if err != nil || !ok || m.Inviter != bob.Key || m.Invite != "c" || !slices.Equal(m.Roles, []string{"writer"}) || m.Since == 0 {
		t.Error(m, ok, err)
	}
	if list, err := s.Members(t.Context(), state.MemberQuery{Inviter: &bob.Key, Limit: 10}); err != nil || len(list) != 1 {
		t.Error(list, err)
	}
	if list, err := s.Members(t.Context(), state.MemberQuery{Inviter: new(event.PubKey), Limit: 10}); err != nil || len(list) != 0 {
		t.Error(list, err)
	}
}

func TestACodeExpires(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	s, err := state.Open(t.Context(), state.Options{Path: filepath.Join(t.TempDir(), state.File), Now: func() time.Time { return now }})
	must(t, err)
	defer s.Close()
	must(t, s.CreateInvite(t.Context(), shell, state.Invite{Code: "c", Until: now.Unix() + 60}, 1))
	if err := s.CreateInvite(t.Context(), shell, state.Invite{Code: "d", Until: now.Unix() + 60}, 1); !errors.Is(err, state.ErrInvites) {
		t.Error(err)
	}
	must(t, s.Claim(t.Context(), state.Actor{Key: event.PubKey{1}}, "c", admit))
	now = now.Add(time.Minute)
	if err := s.Claim(t.Context(), state.Actor{Key: event.PubKey{2}}, "c", admit); !errors.Is(err, state.ErrInviteSpent) {
		t.Error(err)
	}
	must(t, s.CreateInvite(t.Context(), shell, state.Invite{Code: "d"}, 1))
}

// With a member go the invites that the member has made: otherwise one who was expelled
// could come back by them.
func TestTheInvitesOfOneWhoIsExpelledEnd(t *testing.T) {
	s, _ := fresh(t)
	alice := state.Actor{Key: event.PubKey{1}, Door: "nip43"}
	must(t, s.AddMember(t.Context(), shell, state.Membership{PubKey: alice.Key}),
		s.CreateInvite(t.Context(), alice, state.Invite{Code: "c"}, 0),
		s.RemoveMember(t.Context(), shell, alice.Key, "rude"))
	if err := s.Claim(t.Context(), alice, "c", admit); !errors.Is(err, state.ErrNoInvite) {
		t.Error(err)
	}
	jobs, err := s.Jobs(t.Context())
	must(t, err)
	var verbs []string
	for _, j := range jobs {
		verbs = append(verbs, j.Verb)
		if j.At == 0 {
			t.Error(j)
		}
	}
	if !slices.Equal(verbs, []string{state.PublishJoin, state.PublishMembers, state.PublishLeave, state.PublishMembers}) {
		t.Error(verbs)
	}
}

// A note is not in the audit log, which keeps everything.
func TestANoteCanBeForgotten(t *testing.T) {
	s, _ := fresh(t)
	alice := event.PubKey{1}
	must(t, s.AddMember(t.Context(), shell, state.Membership{PubKey: alice, Note: "lives in Main Street"}),
		s.NoteMember(t.Context(), shell, alice, "has moved to Side Street"))
	if m, _, err := s.Membership(t.Context(), alice); err != nil || m.Note != "has moved to Side Street" {
		t.Error(m, err)
	}
	must(t, s.NoteMember(t.Context(), shell, alice, ""))
	log, err := s.Changes(t.Context(), "", 0, 100)
	must(t, err)
	for _, c := range log {
		for _, text := range []string{string(c.Was), string(c.Became), c.Why} {
			if len(text) > 20 {
				t.Errorf("%s: %s", c.Verb, text)
			}
		}
	}
	if len(log) != 3 {
		t.Error(log)
	}
	if err := s.NoteMember(t.Context(), shell, event.PubKey{2}, "x"); !errors.Is(err, state.ErrNoMember) {
		t.Error(err)
	}
}

func TestFaultsOfRolesAndInvites(t *testing.T) {
	s, _ := fresh(t)
	must(t, s.CreateRole(t.Context(), shell, state.Role{ID: "a"}))
	color := 361
	for _, err := range []error{
		s.CreateRole(t.Context(), shell, state.Role{ID: "a"}),
		s.CreateRole(t.Context(), shell, state.Role{ID: ""}),
		s.CreateRole(t.Context(), shell, state.Role{ID: "a\nb"}),
		s.CreateRole(t.Context(), shell, state.Role{ID: "b", Color: &color}),
		s.EditRole(t.Context(), shell, state.Role{ID: "b"}),
		s.AssignRole(t.Context(), shell, event.PubKey{1}, "a"), // no member
		s.AddMember(t.Context(), shell, state.Membership{PubKey: event.PubKey{1}, Roles: []string{"b"}}),
		s.CreateInvite(t.Context(), shell, state.Invite{Code: ""}, 0),
		s.CreateInvite(t.Context(), shell, state.Invite{Code: "a b"}, 0),
		s.CreateInvite(t.Context(), shell, state.Invite{Code: "c", Roles: []string{"b"}}, 0),
	} {
		if !errors.Is(err, state.ErrRequest) {
			t.Error(err)
		}
	}
	if s.Generation() != 1 {
		t.Error("something has changed")
	}
}

// hundredThousand has that many members, of whom some have roles.
func hundredThousand(tb testing.TB) *state.Store {
	tb.Helper()
	path := filepath.Join(tb.TempDir(), state.File)
	s, err := state.Open(tb.Context(), state.Options{Path: path})
	if err != nil {
		tb.Fatal(err)
	}
	for _, id := range []string{"a", "b"} {
		if err := s.CreateRole(tb.Context(), shell, state.Role{ID: id}); err != nil {
			tb.Fatal(err)
		}
	}
	var list []state.Membership
	for i := range 100_000 {
		pk := event.PubKey{byte(i), byte(i >> 8), byte(i >> 16)}
		list = append(list, state.Membership{PubKey: pk, Roles: [][]string{nil, {"a"}, {"b", "a"}}[i%3]})
	}
	for part := range slices.Chunk(list, 10_000) {
		if _, err := s.AddMembers(tb.Context(), shell, part); err != nil {
			tb.Fatal(err)
		}
	}
	tb.Cleanup(func() { s.Close() })
	return s
}

func BenchmarkMember(b *testing.B) {
	s := hundredThousand(b)
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	copied := s.AllMembers() // the same entries, in one map
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := float64(after.HeapAlloc-before.HeapAlloc) / float64(len(copied))
	runtime.KeepAlive(copied)
	pk := event.PubKey{1, 2}
	for b.Loop() {
		if m, ok := s.Member(pk); !ok || m.Has("c") {
			b.Fatal(m, ok)
		}
	}
	b.ReportMetric(size, "B/member")
}

func TestManyMembersAtOnce(t *testing.T) {
	s, _ := fresh(t)
	member := func(n byte, roles ...string) state.Membership {
		return state.Membership{PubKey: event.PubKey{n}, Roles: roles}
	}
	must(t, s.AddMember(t.Context(), shell, member(1)))
	if n, err := s.AddMembers(t.Context(), shell, []state.Membership{member(2), member(3, "none")}); n != 0 || !errors.Is(err, state.ErrRequest) {
		t.Error(n, err)
	}
	if n := s.MemberCount(); n != 1 {
		t.Errorf("%d members after a list with a fault", n)
	}
	if n, err := s.AddMembers(t.Context(), shell, []state.Membership{member(1), member(2), member(3), member(2)}); n != 2 || err != nil {
		t.Error(n, err)
	}
	list, err := s.Members(t.Context(), state.MemberQuery{Limit: 2})
	if err != nil || len(list) != 2 || list[0].PubKey != member(3).PubKey {
		t.Error(list, err)
	}
	rest, err := s.Members(t.Context(), state.MemberQuery{Limit: 2, Before: list[1].Nth})
	if err != nil || len(rest) != 1 || rest[0].PubKey != member(1).PubKey {
		t.Error(rest, err)
	}
}
