package state_test

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

var shell = state.Actor{Door: "shell"}

func open(t *testing.T, path string) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), state.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func fresh(t *testing.T) (*state.Store, string) {
	path := filepath.Join(t.TempDir(), state.File)
	return open(t, path), path
}

// everything is all that a Store says, by subject.
func everything(s *state.Store) map[string]string {
	all := map[string]string{}
	for pk, a := range s.Authors() {
		if a.Banned {
			a.Ban.At = 0
			all["ban "+pk.String()] = fmt.Sprint(a.Ban)
		}
		if a.Approved {
			all["approved "+pk.String()] = "true"
		}
		if a.Closed != 0 {
			all["closed "+pk.String()] = "true"
		}
	}
	for id, r := range s.Rulings() {
		all["ruling "+id.String()] = r.Do
	}
	for p, why := range s.Addresses() {
		all["address "+p.String()] = why
	}
	for kind, allowed := range s.Kinds() {
		all["kind "+strconv.Itoa(int(kind))] = fmt.Sprint(allowed)
	}
	for name, value := range s.Settings() {
		all["setting "+name] = value
	}
	everybody(s, all)
	return all
}

// replayed is the same from the audit log alone.
func replayed(t *testing.T, s *state.Store) map[string]string {
	t.Helper()
	log, err := s.Changes(t.Context(), "", 0, 1<<20)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	closed := map[string]bool{}
	people := newReplayedPeople()
	for i := len(log) - 1; i >= 0; i-- {
		c := log[i]
		gone := string(c.Became) == "null"
		var text string
		_ = json.Unmarshal(c.Became, &text)
		switch c.Verb {
		case "ban author":
			var b state.Ban
			if err := json.Unmarshal(c.Became, &b); err != nil {
				t.Fatal(err)
			}
			b.At = 0
			all["ban "+c.Subject], closed[c.Subject] = fmt.Sprint(b), true
			delete(all, "approved "+c.Subject)
		case "approve author":
			all["approved "+c.Subject] = "true"
		case "disapprove author":
			delete(all, "approved "+c.Subject)
		case "approve event": // its author is approved
		case "unban author":
			delete(all, "ban "+c.Subject)
		case "close reports", "open reports":
			closed[c.Subject] = !gone
		case "hide event", "remove event":
			all["ruling "+c.Subject] = strings.Fields(c.Verb)[0]
		case "allow event":
			delete(all, "ruling "+c.Subject)
		case "block address":
			all["address "+c.Subject] = text
		case "unblock address":
			delete(all, "address "+c.Subject)
		case "disconnect":
		case "allow kind", "disallow kind":
			all["kind "+c.Subject] = string(c.Became)
		case "reset kind":
			delete(all, "kind "+c.Subject)
		case "set":
			all["setting "+c.Subject] = text
		case "reset":
			delete(all, "setting "+c.Subject)
		default:
			if !people.replay(t, c) {
				t.Fatalf("the log has %q", c.Verb)
			}
		}
	}
	people.say(all)
	for pk, yes := range closed {
		if yes || all["ban "+pk] != "" {
			delete(all, "closed "+pk)
			if yes {
				all["closed "+pk] = "true"
			}
		}
	}
	return all
}

// change makes a change at random, of few subjects.
func change(ctx context.Context, s *state.Store, dice *rand.Rand) error {
	pk := event.PubKey{byte(dice.IntN(3)), 1}
	id := event.ID{byte(dice.IntN(3)), 2}
	p := netip.MustParsePrefix([]string{"192.0.2.7/32", "192.0.2.0/24", "2001:db8::/48"}[dice.IntN(3)])
	why := fmt.Sprint("why ", dice.IntN(3))
	if dice.IntN(2) == 0 {
		return changePeople(ctx, s, dice)
	}
	switch dice.IntN(14) {
	case 0, 1:
		ban := state.Ban{Until: int64(dice.IntN(2)) * (1 << 40), Hidden: dice.IntN(2) == 0, Erase: dice.IntN(2) == 0, Why: why}
		return s.BanAuthor(ctx, shell, pk, ban, dice.Int64N(1000))
	case 12:
		if err := s.ApproveAuthor(ctx, shell, pk, event.ID{}, why); !errors.Is(err, state.ErrRequest) { // a banned one
			return err
		}
		return nil
	case 13:
		return s.PardonAuthor(ctx, shell, pk, why)
	case 2:
		return s.UnbanAuthor(ctx, shell, pk, why)
	case 3:
		return s.CloseReports(ctx, shell, pk, 1+dice.Int64N(1000), why)
	case 4:
		return s.OpenReports(ctx, shell, pk, why)
	case 5, 6:
		return s.Rule(ctx, shell, id, []string{state.Hide, state.Remove}[dice.IntN(2)], why)
	case 7:
		return s.Unrule(ctx, shell, id, why)
	case 8:
		return s.BlockAddress(ctx, shell, p, why)
	case 9:
		return s.UnblockAddress(ctx, shell, p, why)
	case 10:
		if dice.IntN(3) == 0 {
			return s.ResetKind(ctx, shell, uint16(dice.IntN(3)))
		}
		return s.SetKind(ctx, shell, uint16(dice.IntN(3)), dice.IntN(2) == 0)
	default:
		if dice.IntN(2) == 0 {
			return s.Reset(ctx, shell, state.SettingName)
		}
		return s.Set(ctx, shell, state.SettingName, why)
	}
}

// What memory says, what the database has, and what the audit log comes to are the
// same after any changes.
func TestMemoryDatabaseAndLogAgree(t *testing.T) {
	for seed := range uint64(5) {
		s, path := fresh(t)
		dice := rand.New(rand.NewPCG(seed, 1))
		for i := range 200 {
			if err := change(t.Context(), s, dice); err != nil {
				t.Fatal(err)
			}
			if i%20 != 19 {
				continue
			}
			said := everything(s)
			if err := s.Close(); err != nil {
				t.Fatal(err)
			}
			s = open(t, path)
			if stored := everything(s); !reflect.DeepEqual(said, stored) {
				t.Fatalf("seed %d: memory says %v, the database has %v", seed, said, stored)
			}
			if log := replayed(t, s); !reflect.DeepEqual(said, log) {
				t.Fatalf("seed %d: memory says %v, the log comes to %v", seed, said, log)
			}
		}
	}
}

// A change that changes nothing leaves no row, and no generation.
func TestWhatChangesNothingIsNotLogged(t *testing.T) {
	s, _ := fresh(t)
	for range 2 {
		for _, err := range []error{
			s.Set(t.Context(), shell, state.SettingName, "moa"),
			s.SetKind(t.Context(), shell, 1, false),
			s.UnbanAuthor(t.Context(), shell, event.PubKey{1}, "never banned"),
			s.Unrule(t.Context(), shell, event.ID{1}, ""),
			s.UnblockAddress(t.Context(), shell, netip.MustParsePrefix("192.0.2.1/32"), ""),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	log, err := s.Changes(t.Context(), "", 0, 100)
	if err != nil || len(log) != 2 || s.Generation() != 2 {
		t.Errorf("%d rows, generation %d: %v %v", len(log), s.Generation(), log, err)
	}
}

func TestTheLogSaysWhoAndWhy(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	path := filepath.Join(t.TempDir(), state.File)
	s, err := state.Open(t.Context(), state.Options{Path: path, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	by := state.Actor{Key: event.PubKey{7}, Door: "nip86"}
	if err := s.Set(t.Context(), by, state.SettingName, "first"); err != nil {
		t.Fatal(err)
	}
	if err := s.Set(t.Context(), shell, state.SettingName, "second"); err != nil {
		t.Fatal(err)
	}
	if err := s.BanAuthor(t.Context(), by, event.PubKey{9}, state.Ban{Erase: true, Why: "spam"}, 0); err != nil {
		t.Fatal(err)
	}
	log, err := s.Changes(t.Context(), "", 0, 2)
	if err != nil || len(log) != 2 || log[0].Verb != "ban author" || log[0].Why != "spam" || log[0].By != by.Key.String() || log[0].At != now.Unix() {
		t.Fatal(log, err)
	}
	if c := log[1]; c.By != "" || c.Door != "shell" || string(c.Was) != `"first"` || string(c.Became) != `"second"` {
		t.Error(c)
	}
	if older, err := s.Changes(t.Context(), state.SettingName, log[1].Nth, 10); err != nil || len(older) != 1 || string(older[0].Became) != `"first"` {
		t.Error(older, err)
	}
	if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs) != 1 || jobs[0].Verb != state.EraseAuthor || jobs[0].Subject != log[0].Subject {
		t.Error(jobs, err)
	} else if err := s.JobDone(t.Context(), jobs[0]); err != nil {
		t.Error(err)
	} else if jobs, err := s.Jobs(t.Context()); err != nil || len(jobs) != 0 {
		t.Error(jobs, err)
	}
	if err := s.Set(t.Context(), by, state.SettingName, strings.Repeat("x", 1<<20)); !errors.Is(err, state.ErrRequest) {
		t.Error(err)
	}
}

// While an author's events are being removed, also after a crash and whatever becomes of
// the ban, none may be stored or shown.
func TestErasingStaysUntilItIsDone(t *testing.T) {
	pk := event.PubKey{9}
	path := filepath.Join(t.TempDir(), state.File)
	s := open(t, path)
	for range 2 { // the second one has work to do, too
		if err := s.BanAuthor(t.Context(), shell, pk, state.Ban{Erase: true, Why: fmt.Sprint(s.Generation())}, 0); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.PardonAuthor(t.Context(), shell, pk, ""); err != nil {
		t.Fatal(err)
	}
	jobs, err := s.Jobs(t.Context())
	if err != nil || len(jobs) != 2 {
		t.Fatal(jobs, err)
	}
	for i, j := range jobs {
		s.Close()
		s = open(t, path)
		if a := s.Author(pk); !a.Erasing || a.Banned || a.Closed != 0 || !s.Hides(1<<60) {
			t.Errorf("before job %d: %+v", i, a)
		}
		if err := s.JobDone(t.Context(), j); err != nil {
			t.Fatal(err)
		}
	}
	if a := s.Author(pk); a != (state.Author{}) || s.Hides(0) || len(s.Authors()) != 0 {
		t.Errorf("when all is done: %+v", a)
	}
}

// Whether anything is hidden is known without looking through it, by time too.
func TestHidesFollowsWhatIsHidden(t *testing.T) {
	s, _ := fresh(t)
	pk, id := event.PubKey{1, 2}, event.ID{1, 3}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(s.BanAuthor(t.Context(), shell, event.PubKey{5}, state.Ban{}, 0))
	if s.Hides(0) {
		t.Error("a ban alone hides")
	}
	must(s.BanAuthor(t.Context(), shell, pk, state.Ban{Hidden: true, Until: 100}, 0))
	if !s.Hides(99) || s.Hides(100) {
		t.Error("a ban hides until its end")
	}
	must(s.Rule(t.Context(), shell, id, state.Hide, ""))
	if !s.Hides(100) {
		t.Error("a hidden event hides")
	}
	must(s.Unrule(t.Context(), shell, id, ""))
	must(s.UnbanAuthor(t.Context(), shell, pk, ""))
	if s.Hides(0) {
		t.Error("what was lifted hides")
	}
}

// No tool changes the log by accident.
func TestTheLogIsOnlyAppendedTo(t *testing.T) {
	s, path := fresh(t)
	if err := s.Set(t.Context(), shell, state.SettingName, "moa"); err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	for _, text := range []string{"UPDATE change SET why = 'x'", "DELETE FROM change"} {
		if _, err := db.Exec(text); err == nil || !strings.Contains(err.Error(), "audit log") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestAnOldBinaryLeavesANewDatabaseAlone(t *testing.T) {
	s, path := fresh(t)
	s.Close()
	db, err := sql.Open("sqlite", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Exec("PRAGMA user_version = 1000"); err != nil {
		t.Fatal(err)
	}
	db.Close()
	if _, err := state.Open(t.Context(), state.Options{Path: path}); !errors.Is(err, state.ErrNewer) {
		t.Error(err)
	}
}

func TestTheDatabaseIsTheOwnersAlone(t *testing.T) {
	s, path := fresh(t)
	if err := s.Set(t.Context(), shell, state.SettingName, "moa"); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(path + "*")
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, name := range files {
		if st, err := os.Stat(name); err != nil || st.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, st.Mode(), err)
		}
	}
}

// A network holds for each of its addresses, also where IPv4 comes as IPv6.
func TestAddressesAreBlockedByNetwork(t *testing.T) {
	s, _ := fresh(t)
	for _, p := range []string{"192.0.2.77/24", "2001:db8:1::/48", "198.51.100.1/32"} {
		if err := s.BlockAddress(t.Context(), shell, netip.MustParsePrefix(p), p); err != nil {
			t.Fatal(err)
		}
	}
	for ip, want := range map[string]bool{
		"192.0.2.1": true, "::ffff:192.0.2.1": true, "192.0.3.1": false, "2001:db8:1:2::3": true,
		"2001:db8:2::": false, "198.51.100.1": true, "198.51.100.2": false,
	} {
		if _, blocked := s.Address(netip.MustParseAddr(ip)); blocked != want {
			t.Errorf("%s: %v", ip, blocked)
		}
	}
}

// Moderators at once lose nothing, while readers ask.
func TestTwoModeratorsAtOnce(t *testing.T) {
	s, path := fresh(t)
	const each = 50
	var all, asking sync.WaitGroup
	done := make(chan struct{})
	asking.Go(func() {
		for {
			select {
			case <-done:
				return
			default:
				s.Author(event.PubKey{0, 1})
				s.Ruling(event.ID{1})
				s.Address(netip.MustParseAddr("192.0.2.1"))
			}
		}
	})
	for door := range byte(2) {
		all.Go(func() {
			for i := range byte(each) {
				// Both change the same shard.
				if err := s.BanAuthor(context.Background(), state.Actor{Door: fmt.Sprint(door)}, event.PubKey{0, door, i}, state.Ban{}, 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Wait()
	close(done)
	asking.Wait()
	if n := len(s.Authors()); n != 2*each {
		t.Errorf("%d bans", n)
	}
	s.Close()
	if n := len(open(t, path).Authors()); n != 2*each {
		t.Errorf("%d bans are stored", n)
	}
}

// What was answered is there after kill -9, and the log agrees with it.
func TestKilled(t *testing.T) {
	if path := os.Getenv("MOA_STATE_KILLED"); path != "" {
		s := open(t, path)
		dice := rand.New(rand.NewPCG(uint64(os.Getpid()), 1))
		for i := 0; ; i++ {
			name := fmt.Sprint("n", i)
			if err := s.Set(context.Background(), shell, name, "set"); err != nil {
				t.Fatal(err)
			}
			fmt.Println(name)
			if err := change(context.Background(), s, dice); err != nil {
				t.Fatal(err)
			}
		}
	}
	path := filepath.Join(t.TempDir(), state.File)
	for round := range 5 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestKilled$")
		cmd.Env = append(os.Environ(), "MOA_STATE_KILLED="+path)
		out, err := cmd.StdoutPipe()
		if err == nil {
			err = cmd.Start()
		}
		if err != nil {
			t.Fatal(err)
		}
		answered := map[string]bool{}
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			answered[lines.Text()] = true
			if len(answered) == 3+7*round {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		s := open(t, path)
		for name := range answered {
			if value, set := s.Setting(name); !set || value != "set" {
				t.Fatalf("%s was answered, and is not there", name)
			}
		}
		if said, log := everything(s), replayed(t, s); !reflect.DeepEqual(said, log) {
			t.Fatalf("the tables say %v, the log comes to %v", said, log)
		}
		s.Close()
	}
}

func TestAskingAllocatesNothing(t *testing.T) {
	s, _ := fresh(t)
	if err := s.BanAuthor(t.Context(), shell, event.PubKey{1}, state.Ban{}, 0); err != nil {
		t.Fatal(err)
	}
	for _, err := range []error{
		s.CreateRole(t.Context(), shell, state.Role{ID: "writer"}),
		s.CreateRole(t.Context(), shell, state.Role{ID: "reader"}),
		s.AddMember(t.Context(), shell, state.Membership{PubKey: event.PubKey{1}, Roles: []string{"writer", "reader"}}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	ip := netip.MustParseAddr("192.0.2.1")
	if n := testing.AllocsPerRun(100, func() {
		s.Author(event.PubKey{1})
		s.Ruling(event.ID{1})
		s.Address(ip)
		s.Kind(1)
		if m, ok := s.Member(event.PubKey{1}); !ok || m.Has("admin") || !m.Has("writer") {
			t.Error(m, ok)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkAuthor(b *testing.B) {
	s, err := state.Open(b.Context(), state.Options{Path: filepath.Join(b.TempDir(), state.File)})
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if err := s.BanAuthor(b.Context(), shell, event.PubKey{1}, state.Ban{}, 0); err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		s.Author(event.PubKey{1, 2})
	}
}
