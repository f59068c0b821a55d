package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/nip13"
	"moa/nips/nip19"
	"moa/nips/wire"
	"moa/relay/relaytest"
)

// The people of the recipes' tests.
var (
	owner, member   = relaytest.NewKey(1), relaytest.NewKey(2)
	guest, nuisance = relaytest.NewKey(3), relaytest.NewKey(4)
)

// recipeServer is a relay that was set up as a recipe says.
type recipeServer struct {
	*server
	dir string
}

// serveRecipe writes a recipe and starts a relay with it, behind a proxy that is
// this machine. members are added to its list.
func serveRecipe(t *testing.T, name string, members ...relaytest.Key) *recipeServer {
	t.Helper()
	dir := t.TempDir()
	config := filepath.Join(dir, "moa.toml")
	good(t, "init", name, "--out", config, "--pubkey", nip19.Npub(owner.PubKey))
	if len(members) > 0 {
		list, err := os.OpenFile(filepath.Join(dir, membersFile), os.O_APPEND|os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, k := range members {
			fmt.Fprintln(list, k.Hex(), "a member")
		}
		if err := list.Close(); err != nil {
			t.Fatal(err)
		}
	}
	good(t, "check-config", config)
	return &recipeServer{serveIn(t, filepath.Join(dir, "data"), "--config", config, "--trusted-proxies", "127.0.0.1"), dir}
}

// from connects as a client of that address.
func (s *recipeServer) from(t *testing.T, ip string) *relaytest.Client {
	t.Helper()
	return relaytest.Dial(t, s.URL, "X-Forwarded-For", ip)
}

// mined signs a note with so much work.
func mined(t *testing.T, k relaytest.Key, bits int, e event.Event) *event.Event {
	t.Helper()
	tags := e.Tags
	e.PubKey, e.CreatedAt = k.PubKey, time.Now().Unix()
	for n := 0; ; n++ {
		e.Tags = append(tags[:len(tags):len(tags)], event.Tag{"nonce", fmt.Sprint(n), fmt.Sprint(bits)})
		if nip13.Difficulty(event.ComputeID(&e)) >= bits {
			return k.Sign(t, e)
		}
	}
}

func about(k relaytest.Key) event.Tag { return event.Tag{"p", k.Hex()} }

// burst sends notes until one is refused, and returns how many were not.
func burst(t *testing.T, c *relaytest.Client, most int, next func(i int) *event.Event) int {
	t.Helper()
	for i := range most {
		e := next(i)
		if ok := c.Send(t, e); !ok.OK {
			if !strings.HasPrefix(ok.Text, "rate-limited: ") {
				t.Fatalf("refused with %q", ok.Text)
			}
			return i
		}
	}
	return most
}

func TestRecipePublic(t *testing.T) {
	t.Parallel()
	s := serveRecipe(t, "public")
	c := s.from(t, "192.0.2.1")
	c.Accepted(t, guest.Note(t, "hello"))
	if got := c.Query(t, `{"kinds":[1]}`); len(got) != 1 {
		t.Errorf("%d notes are read", len(got))
	}
	c.Refused(t, guest.Sign(t, event.Event{Kind: 1, CreatedAt: 1 << 33}), "invalid: ")
	c.Refused(t, guest.Note(t, strings.Repeat("x", 200_000)), "blocked: ")
	c.Refused(t, guest.Sign(t, event.Event{Kind: 7, Content: "+"}), "invalid: ") // of nothing
	if n := burst(t, c, 200, func(i int) *event.Event { return guest.Note(t, fmt.Sprint("note ", i)) }); n < 100 || n == 200 {
		t.Errorf("%d notes at once are taken", n)
	}
	s.from(t, "192.0.2.2").Accepted(t, nuisance.Note(t, "another network"))
}

func TestRecipeCommunity(t *testing.T) {
	t.Parallel()
	s := serveRecipe(t, "community", member)
	c := s.from(t, "192.0.2.1")
	c.Accepted(t, owner.Note(t, "whose key init was told"), member.Note(t, "hello"))
	c.Refused(t, guest.Note(t, "hello"), "restricted: only members write here")
	c.Accepted(t, guest.Note(t, "a reply", about(member)))
	if got := c.Query(t, `{"kinds":[1]}`); len(got) != 3 {
		t.Errorf("%d notes are read", len(got))
	}
	if n := burst(t, c, 100, func(i int) *event.Event { return nuisance.Note(t, fmt.Sprint("reply ", i), about(member)) }); n == 100 {
		t.Errorf("a guest sends %d replies at once", n)
	}
	c.Accepted(t, member.Note(t, "members are not counted"))
	c.Accepted(t, member.Sign(t, event.Event{Kind: 1984, Tags: []event.Tag{{"p", nuisance.Hex(), "spam"}}}))
	relaytest.Eventually(t, "a member's report comes before the operator", func() bool {
		list, _ := good(t, "moderation", "list", "--data", filepath.Join(s.dir, "data"))
		return strings.Contains(list, nip19.Npub(nuisance.PubKey))
	})
}

func TestRecipePaid(t *testing.T) {
	t.Parallel()
	s := serveRecipe(t, "paid")
	c := s.from(t, "192.0.2.1")
	c.Say(t, `["EVENT",%s]`, guest.Note(t, "hello").Raw)
	challenge := c.Hear(t, wire.Auth).Text
	if r := c.Hear(t, wire.OK); !strings.HasPrefix(r.Text, "auth-required: ") {
		t.Errorf("an unauthenticated client is told %q", r.Text)
	}
	receipt := guest.Sign(t, event.Event{Kind: 9735, Tags: []event.Tag{about(owner)}})
	c.Accepted(t, receipt, owner.Note(t, "who is in the list"))

	// Somebody pays: what takes the payment adds a line.
	list := filepath.Join(s.dir, membersFile)
	text, err := os.ReadFile(list)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(list, fmt.Appendf(text, "%s paid\n", nip19.Npub(guest.PubKey)), 0o600); err != nil {
		t.Fatal(err)
	}
	c.Authenticate(t, nuisance, challenge)
	c.Refused(t, nuisance.Note(t, "has not paid"), "restricted: only members write here")
	relaytest.Eventually(t, "who has paid writes", func() bool { return c.Send(t, guest.Note(t, "I have paid")).OK })
	if n := len(s.from(t, "192.0.2.2").Query(t, `{"kinds":[1]}`)); n != 2 {
		t.Errorf("everybody reads %d notes", n)
	}
}

func TestRecipePersonal(t *testing.T) {
	t.Parallel()
	s := serveRecipe(t, "personal")
	c := s.from(t, "192.0.2.1")
	c.Accepted(t, owner.Note(t, "mine"))
	others := guest.Note(t, "worth keeping")
	c.Say(t, `["EVENT",%s]`, others.Raw)
	challenge := c.Hear(t, wire.Auth).Text
	if r := c.Hear(t, wire.OK); !strings.HasPrefix(r.Text, "auth-required: ") {
		t.Errorf("an unauthenticated client is told %q", r.Text)
	}
	c.Authenticate(t, owner, challenge)
	c.Accepted(t, others) // the owner brings it
	if n := len(s.from(t, "192.0.2.2").Query(t, `{"kinds":[1]}`)); n != 2 {
		t.Errorf("everybody reads %d notes", n)
	}
	if _, stderr, code := run(t, "", "init", "personal"); code != 2 || !strings.Contains(stderr, "--pubkey") {
		t.Errorf("without an owner: exit code %d, %s", code, stderr)
	}
}

func TestRecipeInbox(t *testing.T) {
	t.Parallel()
	s := serveRecipe(t, "inbox")
	c := s.from(t, "192.0.2.1")
	c.Refused(t, guest.Note(t, "to nobody"), "restricted: only what is addressed to the owner")
	wrap := guest.Sign(t, event.Event{Kind: 1059, Content: "sealed", Tags: []event.Tag{about(owner)}})
	c.Accepted(t, wrap)
	c.Refused(t, guest.Note(t, "a reply without work", about(owner)), "pow: ")
	c.Accepted(t, mined(t, guest, 16, event.Event{Kind: 1, Content: "a reply with work", Tags: []event.Tag{about(owner)}}))

	mine := s.from(t, "192.0.2.2")
	mine.Accepted(t, owner.Sign(t, event.Event{Kind: 3, Tags: []event.Tag{about(member)}}))
	relaytest.Eventually(t, "whom the owner follows needs no work", func() bool {
		return c.Send(t, member.Note(t, "a reply of a friend", about(owner))).OK
	})
	mine.Say(t, `["REQ","a",{}]`)
	challenge := mine.Hear(t, wire.Auth).Text
	if r := mine.Hear(t, wire.Closed); !strings.HasPrefix(r.Text, "auth-required: ") {
		t.Errorf("an unauthenticated reader is told %q", r.Text)
	}
	mine.Authenticate(t, owner, challenge)
	if n := len(mine.Query(t, `{"kinds":[1,1059]}`)); n != 3 {
		t.Errorf("the owner reads %d events", n)
	}
	c.Authenticate(t, guest, c.Challenge(t))
	c.Closed(t, "b", "restricted: this is somebody else's inbox", `["REQ","b",{"kinds":[1]}]`)
}

func TestRecipeGeo(t *testing.T) {
	t.Parallel()
	s := serveRecipe(t, "geo")
	c := s.from(t, "192.0.2.1")
	c.Accepted(t, guest.Note(t, "here", event.Tag{"g", "u33dc1"}))
	c.Refused(t, guest.Note(t, "elsewhere", event.Tag{"g", "9q8yy"}), "blocked: only notes within u33 (Berlin)")
	c.Refused(t, guest.Note(t, "nowhere"), "blocked: only notes within u33 (Berlin)")
	c.Accepted(t, guest.Sign(t, event.Event{Kind: 0, Content: `{"name":"a guest"}`})) // a profile has no place

	// BitChat: a cell's talk, and the probe with which it lists relays.
	live := s.from(t, "192.0.2.2")
	live.Query(t, `{"kinds":[20000],"#g":["u33dc1","test"]}`)
	live.Say(t, `["REQ","talk",{"kinds":[20000],"#g":["u33dc1","test"]}]`)
	live.Hear(t, wire.EOSE)
	said := func(cell string) event.Event {
		return event.Event{Kind: 20000, Content: "hi", Tags: []event.Tag{{"g", cell}, {"n", "guest"}}}
	}
	talk, probe := guest.Sign(t, said("u33dc1")), guest.Sign(t, said("test"))
	c.Accepted(t, talk, probe)
	for _, want := range []*event.Event{talk, probe} {
		if got := live.Event(t, "talk"); got.ID != want.ID {
			t.Errorf("heard %s, want %s", got.ID, want.ID)
		}
	}
	if n := len(c.Query(t, `{"kinds":[1]}`)); n != 1 {
		t.Errorf("%d notes are stored", n)
	}
	for scope, want := range map[string]int{"/at/u33d": 1, "/at/u33e": 0} {
		if n := len(relaytest.Dial(t, s.URL+scope).Query(t, `{"kinds":[1]}`)); n != want {
			t.Errorf("%s shows %d notes", scope, n)
		}
	}

	// A client that comes late hears what was just said here, as BitChat asks for it.
	late := s.from(t, "192.0.2.3")
	hour := time.Now().Unix() - 3600
	if got := late.Query(t, fmt.Sprintf(`{"kinds":[20000,20001],"since":%d,"limit":200,"#g":["u33dc1"]}`, hour)); len(got) != 1 || got[0].ID != talk.ID {
		t.Errorf("a client that comes late hears %d messages", len(got))
	}
	if got := late.Query(t, fmt.Sprintf(`{"kinds":[20000],"since":%d,"limit":200,"#g":["test"]}`, hour)); len(got) != 0 {
		t.Errorf("%d messages from elsewhere are kept", len(got))
	}
	res, err := http.Get("http" + strings.TrimPrefix(s.URL, "ws") + "/geo/events?near=52.52,13.4&km=30")
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if text, err := io.ReadAll(res.Body); err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(text), `"content":"here"`) {
		t.Errorf("a map gets %s, %.200s", res.Status, text)
	}
}

func TestInitNeverOverwrites(t *testing.T) {
	for _, r := range recipeList {
		dir := t.TempDir()
		path := filepath.Join(dir, "moa.toml")
		args := []string{"init", r.name, "--out", path, "--url", "wss://relay.example.com", "--pubkey", owner.Hex()}
		good(t, args...)
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []string{"url = \"wss://relay.example.com\"\n", "pubkey = \"" + owner.Hex() + "\"\n"} {
			if !strings.Contains(string(text), "\n"+want) {
				t.Errorf("%s has no line %s", r.name, want)
			}
		}
		if strings.ContainsAny(string(text), "<>") {
			t.Errorf("%s has something left to fill in", r.name)
		}
		good(t, "check-config", path)
		if _, stderr, code := run(t, "", args...); code != 2 || !strings.Contains(stderr, "stays as it is") {
			t.Errorf("%s: exit code %d: %s", r.name, code, stderr)
		}
		stdout, _ := good(t, args[0], args[1], args[6], args[7])
		if !strings.Contains(stdout, "\n# url = ") {
			t.Errorf("%s without a URL:\n%s", r.name, stdout)
		}
	}
	secret := "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
	for _, bad := range [][]string{{"--pubkey", "me"}, {"--pubkey", secret}, {"--url", "https://relay.example.com"}, {"now"}} {
		_, stderr, code := run(t, "", append([]string{"init", "public"}, bad...)...)
		if code != 2 || strings.Contains(stderr, secret) {
			t.Errorf("%v: exit code %d, %s", bad, code, stderr)
		}
	}
}

// forSigners are what remote signers (NIP-46) and wallets (NIP-47) say to k.
func forSigners(t *testing.T, k relaytest.Key) (all []*event.Event) {
	t.Helper()
	for _, kind := range []uint16{24133, 23194, 23195, 23196, 23197} {
		all = append(all, guest.Sign(t, event.Event{Kind: kind, Content: "sealed", Tags: []event.Tag{about(k)}}))
	}
	return all
}

// A relay of members passes on what the signers and wallets of its own people say,
// whose keys nobody knows.
func TestRecipesPassOnSignersAndWallets(t *testing.T) {
	t.Parallel()
	for _, recipe := range []string{"community", "paid"} {
		s := serveRecipe(t, recipe, member)
		live, c := s.from(t, "192.0.2.1"), s.from(t, "192.0.2.2")
		live.Stored(t, "mine", `{"kinds":[24133,23194,23195,23196,23197],"#p":["`+member.Hex()+`"]}`)
		for _, e := range forSigners(t, member) {
			c.Accepted(t, e)
			if got := live.Event(t, "mine"); got.ID != e.ID {
				t.Errorf("%s: heard %s", recipe, got.Raw)
			}
		}
		for _, e := range forSigners(t, nuisance) {
			if ok := c.Send(t, e); ok.OK {
				t.Errorf("%s takes kind %d to a stranger", recipe, e.Kind)
			}
		}
	}
}

// Each recipe has as comments the tables that one may add. They are good, and
// owner-only is among them: application data, drafts and wallets are their author's.
func TestWhatTheRecipesSuggest(t *testing.T) {
	t.Parallel()
	table := regexp.MustCompile(`(?m)^#   \[\[policy\]\]\n(?:#   .*\n)+`)
	for _, r := range recipeList {
		config := filepath.Join(t.TempDir(), "moa.toml")
		good(t, "init", r.name, "--out", config, "--pubkey", owner.Hex())
		text, err := os.ReadFile(config)
		if err != nil {
			t.Fatal(err)
		}
		ownerOnly := ""
		for _, found := range table.FindAllString(string(text), -1) {
			added := strings.ReplaceAll(strings.ReplaceAll(found, "#   ", ""), "npub1...", nip19.Npub(owner.PubKey))
			one := filepath.Join(filepath.Dir(config), "one.toml")
			if err := os.WriteFile(one, append(text, "\n"+added...), 0o600); err != nil {
				t.Fatal(err)
			}
			good(t, "check-config", one)
			if strings.Contains(added, `"owner-only"`) {
				ownerOnly = one
			}
		}
		if ownerOnly == "" {
			t.Errorf("%s does not suggest owner-only", r.name)
			continue
		}
		s := serveIn(t, filepath.Join(t.TempDir(), "data"), "--config", ownerOnly)
		mine, other := relaytest.Dial(t, s.URL), relaytest.Dial(t, s.URL)
		settings := owner.Sign(t, event.Event{Kind: 30078, Content: "private", Tags: []event.Tag{{"d", "app"}}})
		mine.Accepted(t, settings)
		other.Closed(t, "q", "auth-required: ", `["REQ","q",{"kinds":[30078]}]`)
		mine.Say(t, `["REQ","q",{"kinds":[30078]}]`)
		challenge := mine.Hear(t, wire.Auth).Text
		mine.Hear(t, wire.Closed)
		mine.Authenticate(t, owner, challenge)
		if n := len(mine.Query(t, `{"kinds":[30078]}`)); n != 1 {
			t.Errorf("%s: the author finds %d", r.name, n)
		}
		s.Kill()
	}
}

// One address cannot use up what a cell has for all, not even with what is
// refused.
func TestRecipeGeoLeavesACellToOthers(t *testing.T) {
	s := serveRecipe(t, "geo")
	message := func(n int) *event.Event {
		return guest.Sign(t, event.Event{Kind: 20000, Content: fmt.Sprint(n), Tags: []event.Tag{{"g", "u33dc"}, {"n", "x"}}})
	}
	flood, refused := s.from(t, "203.0.113.1"), 0
	for n := range 800 {
		if !flood.Send(t, message(n)).OK {
			refused++
		}
	}
	if refused < 600 {
		t.Errorf("of 800 from one address %d are refused", refused)
	}
	s.from(t, "203.0.113.2").Accepted(t, message(-1))
}

// Behind a proxy on the same machine, the proxy is trusted and the URL is set.
func TestInitBehindAProxy(t *testing.T) {
	if _, stderr, code := run(t, "", "init", "public", "--behind-proxy"); code == 0 || !strings.Contains(stderr, "--url") {
		t.Errorf("without a URL: %d %s", code, stderr)
	}
	for _, r := range recipeList {
		out := filepath.Join(t.TempDir(), "moa.toml")
		good(t, "init", r.name, "--behind-proxy", "--url", "wss://relay.example", "--out", out, "--pubkey", nip19.Npub(owner.PubKey))
		text, err := os.ReadFile(out)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(string(text), "\ntrusted_proxies = [\"127.0.0.1\", \"::1\"]\n") || !strings.Contains(string(text), "\nurl = \"wss://relay.example\"\n") {
			t.Errorf("%s: %s", r.name, text)
		}
	}
}
