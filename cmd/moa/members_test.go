package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/nips/nip43"
	"moa/relay/desk"
	"moa/relay/relaytest"
	"moa/store/state"
)

const memberConfig = `
[members]
enabled = true
invites = 1
[[policy]]
use = "allow"
members = true
exempt = "62, 29999"
`

// clubRelay is a relay with members.
type clubRelay struct {
	*server
	data, config string
}

func serveClub(t *testing.T) *clubRelay {
	t.Helper()
	c := &clubRelay{data: filepath.Join(t.TempDir(), "data"), config: writeConfig(t, memberConfig)}
	c.again(t)
	return c
}

// again starts the relay, again if it has run.
func (c *clubRelay) again(t *testing.T) {
	t.Helper()
	if c.server != nil {
		c.Kill()
	}
	c.server = serveIn(t, c.data, "--config", c.config)
}

// args are those of `moa members args...`.
func (c *clubRelay) args(args ...string) []string {
	return append([]string{"members", args[0], "--config", c.config, "--data", c.data}, args[1:]...)
}

// do runs `moa members args...`, which must succeed.
func (c *clubRelay) do(t *testing.T, args ...string) string {
	t.Helper()
	stdout, _ := good(t, c.args(args...)...)
	return stdout
}

// refused runs `moa members args...`, which must fail and say so.
func (c *clubRelay) refused(t *testing.T, want string, args ...string) {
	t.Helper()
	if _, stderr, code := run(t, "", c.args(args...)...); code == 0 || !strings.Contains(stderr, want) {
		t.Errorf("%v: exit code %d, %q; want %q", args, code, stderr, want)
	}
}

func joinRequest(t *testing.T, k relaytest.Key, code string) *event.Event {
	return k.Sign(t, event.Event{Kind: nip43.KindJoin, Tags: []event.Tag{{"claim", code}}})
}

// A configuration with members by a list, to which [members] was added, lets nobody do
// anything for being a member.
func TestMembersThatNoPolicyNamesAreWarnedOf(t *testing.T) {
	const policies = "[members]\nenabled = true\n[[policy]]\nuse = \"allow\"\nname = \"members\"\npubkeys = [\"%s\"]\n"
	r := serveClub(t)
	for i, c := range []struct {
		more string
		want bool
	}{
		{"", true},
		{"members = false", true},
		{"members = true", false},
		{`unless = { members = ["editor"] }`, false},
	} {
		text := fmt.Sprintf(policies, relaytest.NewKey(9).Hex()) + c.more + "\n"
		r.config = writeConfig(t, text)
		_, checked, _ := run(t, "", "check-config", r.config)
		_, added := good(t, r.args("add", relaytest.NewKey(byte(10+i)).Hex())...)
		_, invited := good(t, r.args("invite")...)
		for _, said := range []string{checked, added, invited} {
			if strings.Contains(said, "no policy names the members") != c.want {
				t.Errorf("%s: %q, want it to be said: %t", c.more, said, c.want)
			}
		}
	}
}

// A mistyped key, code or role is not told to be gone: what was meant is still there.
func TestWhatIsNotThereIsNotEnded(t *testing.T) {
	r := serveClub(t)
	alice, bob := relaytest.NewKey(1), relaytest.NewKey(2)
	code := strings.TrimSpace(r.do(t, "invite"))
	r.do(t, "set-role", "editor")
	r.do(t, "add", alice.Hex())
	r.refused(t, `there is no invite "typo"`, "cancel", "typo")
	r.refused(t, `there is no role "edittor"`, "delete-role", "edittor")
	r.refused(t, "this is no member", "remove", bob.Hex())
	r.refused(t, "this is no member with the role", "unassign", alice.Hex(), "editor")
	r.refused(t, "this is no member with the role", "unassign", bob.Hex(), "editor")
	if out := r.do(t, "list", "--role", "editor"); !strings.Contains(out, `no member has the role "editor"`) {
		t.Error(out)
	}
	r.do(t, "assign", alice.Hex(), "editor")
	r.do(t, "unassign", alice.Hex(), "editor")
	r.do(t, "cancel", code)
	r.do(t, "delete-role", "editor")
	r.do(t, "remove", alice.Hex())
	r.refused(t, "there is no invite", "cancel", code)
}

func TestOperatorLetsPeopleInAndOut(t *testing.T) {
	r := serveClub(t)
	alice, bob, carol := relaytest.NewKey(1), relaytest.NewKey(2), relaytest.NewKey(3)
	c := relaytest.Dial(t, r.URL)
	c.Refused(t, alice.Note(t, "not yet"), "restricted: ")
	if out := r.do(t, "list"); !strings.Contains(out, "there are no members") {
		t.Error(out)
	}
	r.do(t, "set-role", "editor", "--label", "Editor", "--color", "120")
	r.do(t, "add", "--role", "editor", "--note", "the \x1b[31mboss", nip19.Npub(alice.PubKey))
	c.Accepted(t, alice.Note(t, "at once"))
	r.refused(t, "is a member already", "add", alice.Hex())
	r.refused(t, "there is no role", "add", "--role", "king", bob.Hex())

	code := strings.TrimSpace(r.do(t, "invite", "--for", "1h"))
	if ok := c.Send(t, joinRequest(t, bob, code)); !ok.OK || !strings.HasPrefix(ok.Text, "info: welcome") {
		t.Fatal(ok.Text)
	}
	c.Accepted(t, bob.Note(t, "on the same connection"))
	c.Refused(t, joinRequest(t, carol, code), "restricted: ")

	list := r.do(t, "list")
	for _, want := range []string{nip19.Npub(alice.PubKey), "  editor", `the \x1b[31mboss`, nip19.Npub(bob.PubKey), "  by an invite\n"} {
		if !strings.Contains(list, want) || strings.Contains(list, "\x1b") {
			t.Errorf("list does not say %q:\n%q", want, list)
		}
	}
	if out := r.do(t, "invites"); !strings.Contains(out, code+"  used by 1 of 1") || !strings.Contains(out, "  over") {
		t.Error(out)
	}
	if out := r.do(t, "roles"); !strings.Contains(out, "editor  Editor") {
		t.Error(out)
	}
	r.do(t, "assign", bob.Hex(), "editor")
	r.do(t, "unassign", alice.Hex(), "editor")
	if out := r.do(t, "list", "--role", "editor"); strings.Count(out, "npub1") != 1 || !strings.Contains(out, nip19.Npub(bob.PubKey)) {
		t.Error(out)
	}
	r.do(t, "remove", bob.Hex(), "--note", "rude")
	c.Refused(t, bob.Note(t, "gone"), "restricted: ")

	file := filepath.Join(t.TempDir(), "list.txt")
	if err := os.WriteFile(file, []byte(alice.Hex()+"\n# friends\n"+nip19.Npub(carol.PubKey)+" carol\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out := r.do(t, "import", file); out != "1 member was added, of 2 keys\n" {
		t.Error(out)
	}
	c.Accepted(t, carol.Note(t, "from the list"))
	if log, _ := good(t, "moderation", "log", "--config", r.config, "--data", r.data); !strings.Contains(log, "remove member") || strings.Contains(log, "boss") {
		t.Error(log)
	}
	if text := fetchText(t, r.URL, "/metrics", ""); !strings.Contains(text, "\nmoa_members 2\n") {
		t.Error("moa_members is not 2")
	}

	// A stopped relay's books can be read.
	report := carol.Sign(t, event.Event{Kind: event.KindReport, Tags: []event.Tag{{"p", alice.Hex(), "spam"}}})
	c.Accepted(t, report)
	running, person := r.do(t, "list", "--json"), r.do(t, "export", alice.Hex())
	r.Kill()
	if out := r.do(t, "export", alice.Hex()); out != person {
		t.Errorf("stopped: %s\nrunning: %s", out, person)
	}
	if out := r.do(t, "list", "--json"); out != running {
		t.Errorf("stopped: %s\nrunning: %s", out, running)
	}
	var known desk.Known
	if err := json.Unmarshal([]byte(r.do(t, "export", alice.Hex())), &known); err != nil || known.Member == nil || !strings.Contains(known.Member.Note, "boss") || len(known.Changes) != 2 || len(known.Reports) != 1 {
		t.Errorf("%+v %v", known, err)
	}
	r.refused(t, "no relay can be reached", "add", bob.Hex())
}

// Whenever the relay is killed after a change, the next start publishes what follows from it.
func TestKilledRelayPublishesWhatHasChangedAboutMembers(t *testing.T) {
	r := serveClub(t)
	random := seeded(t)
	var there []relaytest.Key
	code := strings.TrimSpace(r.do(t, "invite", "--uses", "0"))
	for round := range killRounds(4, 30) {
		k, left := relaytest.NewKey(byte(50+2*round)), relaytest.NewKey(byte(51+2*round))
		c := relaytest.Dial(t, r.URL)
		c.Accepted(t, joinRequest(t, left, code), joinRequest(t, k, code)) // the writer may be in the midst of it
		c.Authenticate(t, left, c.Challenge(t))
		c.Accepted(t, left.Sign(t, event.Event{Kind: nip43.KindLeave, Tags: []event.Tag{{"-"}}}))
		there = append(there, k)
		<-time.After(time.Duration(random.Int64N(int64(5 * time.Millisecond)))) // to be killed anywhere
		r.again(t)
		c = relaytest.Dial(t, r.URL)
		relaytest.Eventually(t, "the list is as it should be", func() bool {
			for _, e := range c.Query(t, `{"kinds":[13534]}`) {
				n := 0
				for _, k := range there {
					n += strings.Count(string(e.Raw), `["member","`+k.Hex())
				}
				if n == len(there) && len(e.Tags) == 1+n {
					return true
				}
			}
			return false
		})
		relaytest.Eventually(t, "it is said who has come and gone", func() bool {
			came := c.Query(t, fmt.Sprintf(`{"kinds":[8000],"#p":[%q,%q]}`, k.Hex(), left.Hex()))
			gone := c.Query(t, fmt.Sprintf(`{"kinds":[8001],"#p":[%q]}`, left.Hex()))
			return len(came) == 2 && len(gone) == 1
		})
	}
	r.Kill()
	st, err := state.Open(t.Context(), state.Options{Path: filepath.Join(r.data, state.File)})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if n := st.MemberCount(); n != len(there) {
		t.Errorf("%d members, not %d", n, len(there))
	}
}

// Members need the relay's own key; it is made.
func TestMembersNeedTheRelaysKey(t *testing.T) {
	r := serveClub(t)
	if _, err := os.Stat(filepath.Join(r.data, "relay.key")); err != nil {
		t.Error(err)
	}
	if doc := fetchText(t, r.URL, "/", "application/nostr+json"); !strings.Contains(doc, `,43,`) || !strings.Contains(doc, `"self":"`) {
		t.Error(doc)
	}
}
