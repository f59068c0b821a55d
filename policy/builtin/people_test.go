package builtin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/nips/testwait"
	"moa/policy"
	"moa/policy/policytest"
)

func TestMain(m *testing.M) { testwait.VerifyTestMain(m) }

// running builds one policy and runs it until the test ends, inside synctest.
func running(t *testing.T, env policy.Env, table map[string]any) policy.Policy {
	t.Helper()
	chain, faults := Build(env, nil, []map[string]any{table})
	if faults != nil {
		t.Fatal(faults)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- chain.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return last(chain)
}

// stored is a store of these events.
func stored(events ...event.Event) func(context.Context, *event.Filter, func(*event.Event) error) error {
	return func(_ context.Context, f *event.Filter, found func(*event.Event) error) error {
		for _, e := range events {
			if p := policytest.Event(e); f.Matches(p) {
				if err := found(p); err != nil {
					return err
				}
			}
		}
		return nil
	}
}

func follows(author event.PubKey, whom ...event.PubKey) event.Event {
	e := event.Event{Kind: 3, PubKey: author}
	for _, pk := range whom {
		e.Tags = append(e.Tags, event.Tag{"p", key(pk)})
	}
	return e
}

func note(author event.PubKey) event.Event { return event.Event{Kind: 1, PubKey: author} }

const refusedByAllow = "restricted: only certain people may write here"

func TestAllowAndDeny(t *testing.T) {
	p := use(t, "use='allow'\npubkeys=['"+key(alice)+"']\nabout='9735'")
	expect(t, "alice", ask(p, nobody, note(alice)), "")
	expect(t, "bob", ask(p, nobody, note(bob)), refusedByAllow)
	expect(t, "bob vanishes", ask(p, nobody, event.Event{Kind: 62, PubKey: bob}), "")
	zap := event.Event{Kind: 9735, PubKey: bob, Tags: []event.Tag{{"p", key(alice)}}}
	expect(t, "a zap for alice", ask(p, nobody, zap), "")
	zap.Tags = []event.Tag{{"p", key(carol)}, {"p"}, {"p", "x"}}
	expect(t, "a zap for carol", ask(p, nobody, zap), refusedByAllow)

	zap.Tags = append(zap.Tags, event.Tag{"P", key(alice)})
	expect(t, "a zap from alice for carol", ask(p, nobody, zap), "")

	p = use(t, "use='allow'\npubkeys=['"+key(alice)+"']\nforward=true\nmessage='members only'")
	expect(t, "bob", ask(p, nobody, note(bob)), "auth-required: authenticate; members only")
	expect(t, "alice brings bob's", ask(p, &policytest.Client{Keys: []event.PubKey{carol, alice}}, note(bob)), "")
	expect(t, "carol brings bob's", ask(p, &policytest.Client{Keys: []event.PubKey{carol}}, note(bob)), "restricted: members only")

	p = use(t, "use='deny'\npubkeys=['"+key(bob)+"']")
	expect(t, "bob is denied", ask(p, nobody, note(bob)), "blocked: the author may not write here")
	expect(t, "bob deletes", ask(p, nobody, event.Event{Kind: 5, PubKey: bob}), "")
	expect(t, "bob in the shadow", ask(use(t, "use='deny'\nshadow=true\npubkeys=['"+key(bob)+"']"), nobody, note(bob)), "shadow")
}

func TestReaders(t *testing.T) {
	ctx := context.Background()
	as := func(keys ...event.PubKey) *policytest.Client { return &policytest.Client{Keys: keys} }
	p := use(t, "use='readers'\npubkeys=['"+key(alice)+"']").(policy.FilterPolicy)
	expect(t, "unauthenticated client", text(p.Filter(ctx, nobody, &event.Filter{})), "auth-required: ")
	expect(t, "bob", text(p.Filter(ctx, as(bob), &event.Filter{})), "restricted: ")
	expect(t, "alice", text(p.Filter(ctx, as(bob, alice), &event.Filter{})), "")

	chain, _ := build(t, "[[policy]]\nuse='readers'\nkinds='30023'\npubkeys=['"+key(alice)+"']")
	expect(t, "articles", text(chain.Filter(ctx, nobody, &event.Filter{Kinds: []uint16{30023}}).Verdict), "auth-required: ")
	expect(t, "all", text(chain.Filter(ctx, nobody, &event.Filter{}).Verdict), "")
	article := policytest.Event(event.Event{Kind: 30023, PubKey: bob})
	if chain.Deliver(nobody, article) || chain.Deliver(as(bob), article) || !chain.Deliver(as(alice), article) {
		t.Error("an article went to the wrong people")
	}
}

func TestFileIsReadAgainWhenItChangesAndKeptWhenItIsBroken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "allow.txt")
		write := func(text string) {
			if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(2 * fileInterval)
			synctest.Wait()
		}
		write("# friends\n\n" + key(alice) + " alice\r\n")
		p := running(t, policy.Env{Dir: filepath.Dir(name)}, map[string]any{"use": "allow", "files": []any{"allow.txt"}})
		expect(t, "alice", ask(p, nobody, note(alice)), "")
		expect(t, "bob", ask(p, nobody, note(bob)), refusedByAllow)
		write(key(bob))
		expect(t, "alice is gone", ask(p, nobody, note(alice)), refusedByAllow)
		expect(t, "bob has come", ask(p, nobody, note(bob)), "")
		write("nonsense")
		expect(t, "bob stays", ask(p, nobody, note(bob)), "")
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * retryInterval)
		expect(t, "bob stays without the file", ask(p, nobody, note(bob)), "")
		write(`["` + key(carol) + `"]`)
		time.Sleep(2 * retryInterval)
		expect(t, "carol", ask(p, nobody, note(carol)), "")
	})
}

// Several policies have one list: a change of it, a fault in it, and the end of that,
// is logged once, each time.
func TestWhatIsSaidOfAListIsSaidOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		name := filepath.Join(t.TempDir(), "members.txt")
		pause := 3 * fileInterval
		write := func(text string) {
			t.Helper()
			if err := errors.Join(os.WriteFile(name+".new", []byte(text), 0o600), os.Rename(name+".new", name)); err != nil {
				t.Fatal(err) // in one step: a policy may be reading
			}
			time.Sleep(pause)
		}
		write(policytest.Key(1).String())
		var log bytes.Buffer
		env := policy.Env{Log: slog.New(slog.NewTextHandler(&log, nil)), Stored: stored()}
		files := []any{name}
		chain, faults := Build(env, nil, []map[string]any{
			{"use": "allow", "files": files}, {"use": "readers", "files": files}, {"use": "moderation", "reporters": map[string]any{"files": files}},
		})
		if faults != nil {
			t.Fatal(faults)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- chain.Run(ctx) }()
		two := policytest.Key(1).String() + "\n" + policytest.Key(2).String()
		other := policytest.Key(1).String() + "\n" + policytest.Key(3).String()
		for _, text := range []string{two, two + "\nnonsense", two, two + "\nnonsense", "", two, other, other + "\n"} {
			write(text)
		}
		// As many people, and other ones, are another list, however soon they come.
		pause = fileInterval + time.Second
		for _, text := range []string{two, other, two} {
			write(text)
		}
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
		for _, want := range []struct {
			text  string
			times int
		}{
			{"people=1\n", 1},
			{"people=2", 7},
			{"people=2 added=1 removed=0", 1},
			{"people=2 added=0 removed=0", 1},
			{"people=2 added=2 removed=0", 1},
			{"people=2 added=1 removed=1", 4},
			{"could not be read", 2},
			{"people=0 added=0 removed=2", 1},
			{"list=" + name + " ", 11},
		} {
			if n := strings.Count(log.String(), want.text); n != want.times {
				t.Errorf("%q is logged %d times:\n%s", want.text, n, &log)
			}
		}
	})
}

func TestFaultsOfListsHaveTheirPaths(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "bad"), []byte(key(alice)+"\nnpub1x\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, faults := Build(policy.Env{Dir: dir}, nil, []map[string]any{
		{"use": "allow", "files": []any{"bad", "missing"}, "urls": []any{"ftp://x/y"}, "domains": []any{"a/b"}},
		{"use": "deny"},
		{"use": "allow", "pubkeys": []any{key(alice), "xyz"}},
	})
	var got strings.Builder
	for _, f := range faults {
		got.WriteString(strings.ReplaceAll(f.Error(), dir, "") + "\n")
	}
	for _, want := range []string{
		`policy[0].files[0]: /bad:2: "npub1x" is not a public key`, `policy[0].files[1]: stat /missing: no such file`,
		`policy[0].urls[0]: "ftp://x/y" is not an http or https URL`, `policy[0].domains[0]: "a/b" is not a domain name`,
		`policy[1].pubkeys: nobody is meant`, `policy[2].pubkeys[1]: "xyz" is not a public key`,
	} {
		if !strings.Contains(got.String(), want) {
			t.Errorf("no fault %s in\n%s", want, &got)
		}
	}
}

// web answers requests by a function.
type web func(*http.Request) (status int, etag, body string)

func (w web) RoundTrip(r *http.Request) (*http.Response, error) {
	status, etag, body := w(r)
	return &http.Response{StatusCode: status, Status: http.StatusText(status), Header: http.Header{"Etag": {etag}}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

func TestListFromTheWebIsAskedWithItsETag(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the following
		status, etag, body := 503, "", ""
		var asked []string
		answer := func(s int, e, b string) {
			mu.Lock()
			defer mu.Unlock()
			status, etag, body = s, e, b
		}
		server := web(func(r *http.Request) (int, string, string) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, r.URL.String()+" "+r.Header.Get("If-None-Match"))
			if status == 200 && r.Header.Get("If-None-Match") == etag {
				return 304, etag, ""
			}
			return status, etag, body
		})
		p := running(t, policy.Env{HTTP: &http.Client{Transport: server}},
			map[string]any{"use": "allow", "domains": []any{"example.com"}, "refresh": "1m"})
		synctest.Wait()
		expect(t, "before the list has come", ask(p, nobody, note(alice)), "error: the list of those who may write is not loaded yet")
		answer(200, `"v1"`, `{"names":{"_":"`+key(alice)+`"},"relays":{}}`)
		time.Sleep(retryInterval)
		synctest.Wait()
		expect(t, "alice", ask(p, nobody, note(alice)), "")
		expect(t, "bob", ask(p, nobody, note(bob)), refusedByAllow)
		time.Sleep(time.Minute)
		synctest.Wait()
		mu.Lock()
		last := asked[len(asked)-1]
		mu.Unlock()
		if last != `https://example.com/.well-known/nostr.json "v1"` {
			t.Errorf("asked %s", last)
		}
		answer(200, `"v2"`, "{}")
		time.Sleep(time.Minute)
		synctest.Wait()
		expect(t, "alice stays after a broken answer", ask(p, nobody, note(alice)), "")
	})
}

func TestDomainThatTellsOneNameAtATime(t *testing.T) {
	profile := func(pk event.PubKey, nip05 string) event.Event {
		return event.Event{Kind: 0, PubKey: pk, Content: `{"name":"x","nip05":"` + nip05 + `"}`}
	}
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the following
		names := map[string]event.PubKey{"alice": alice, "bob": bob}
		server := web(func(r *http.Request) (int, string, string) {
			mu.Lock()
			defer mu.Unlock()
			name := r.URL.Query().Get("name")
			pk, ok := names[name]
			switch {
			case name == "":
				return 400, "", "which name?"
			case !ok:
				return 200, "", `{"names":{}}`
			}
			return 200, "", `{"names":{"` + name + `":"` + key(pk) + `"}}`
		})
		env := policy.Env{
			HTTP:   &http.Client{Transport: server},
			Stored: stored(profile(alice, "Alice@example.com"), profile(carol, "bob@example.com"), event.Event{Kind: 0, PubKey: policytest.Key(9), Content: "x"}),
		}
		p := running(t, env, map[string]any{"use": "allow", "domains": []any{"example.com"}, "refresh": "1h"})
		synctest.Wait()
		expect(t, "alice", ask(p, nobody, note(alice)), "")
		expect(t, "carol, who claims bob's name", ask(p, nobody, note(carol)), refusedByAllow)
		expect(t, "bob, who claims none", ask(p, nobody, note(bob)), refusedByAllow)
		saved := func(e event.Event) {
			p.(policy.Observer).Saved(nobody, policytest.Event(e))
			synctest.Wait()
		}
		saved(profile(bob, "bob@example.com"))
		expect(t, "bob claims the name", ask(p, nobody, note(bob)), "")
		saved(profile(bob, "bob@elsewhere.example"))
		expect(t, "bob has moved", ask(p, nobody, note(bob)), refusedByAllow)
		mu.Lock()
		delete(names, "alice")
		mu.Unlock()
		time.Sleep(2 * claimHolds)
		synctest.Wait()
		expect(t, "alice has lost her name", ask(p, nobody, note(alice)), refusedByAllow)
	})
}

func TestFalseClaimsOfANameCostTheDomainLittle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex // guards the following
		lists, names := 0, 0
		server := web(func(r *http.Request) (int, string, string) {
			mu.Lock()
			defer mu.Unlock()
			switch r.URL.Query().Get("name") {
			case "":
				lists++
				return 200, "", `{"names":{}}`
			case "bob":
				return 200, "", `{"names":{"bob":"` + key(bob) + `"}}`
			}
			names++
			return 200, "", `{"names":{}}`
		})
		p := running(t, policy.Env{HTTP: &http.Client{Transport: server}}, map[string]any{"use": "allow", "domains": []any{"example.com"}, "refresh": "1h"})
		synctest.Wait()
		claim := func(c *policytest.Client, n int, name string) {
			pk := event.PubKey{7, byte(n), byte(n >> 8)}
			p.(policy.Observer).Saved(c, policytest.Event(event.Event{Kind: 0, PubKey: pk, Content: `{"nip05":"` + name + `@example.com"}`}))
		}
		liar := &policytest.Client{Addr: "192.0.2.66"}
		for i := range 1000 {
			claim(liar, i, "liar")
		}
		claim(liar, 0, "Liar") // the same name, in other letters
		p.(policy.Observer).Saved(&policytest.Client{Addr: "192.0.2.7"}, policytest.Event(event.Event{Kind: 0, PubKey: bob, Content: `{"nip05":"Bob@example.com"}`}))
		synctest.Wait()
		expect(t, "bob among liars", ask(p, nobody, note(bob)), "")
		if mu.Lock(); lists != 1 || names > claimsOfOne {
			t.Errorf("the domain was asked for everybody %d times, and for %d names", lists, names)
		}
		mu.Unlock()
		for i := range 10 { // names that change all the time
			for n := range 100 {
				claim(&policytest.Client{Addr: "192.0.2." + string(rune('1'+i%9))}, n, "x"+key(event.PubKey{byte(i), byte(n)}))
			}
			synctest.Wait()
		}
		if mu.Lock(); lists != 1 || names > claimsAMinute {
			t.Errorf("within a minute the domain was asked for everybody %d times, and for %d names", lists, names)
		}
		mu.Unlock()
	})
}

func TestFollowsAndListsComeFromTheStoreAndAreFreshOnceSaved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		list := event.Event{Kind: 30000, PubKey: alice, Tags: []event.Tag{{"d", "vip"}, {"p", key(policytest.Key(8))}}}
		events := []event.Event{follows(alice, bob), follows(bob, carol), list}
		env := policy.Env{Stored: func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
			return stored(events...)(ctx, f, found)
		}}
		p := running(t, env, map[string]any{"use": "allow", "follows_of": []any{key(alice)}, "lists": []any{"30000:" + key(alice) + ":vip"}})
		synctest.Wait()
		expect(t, "bob", ask(p, nobody, note(bob)), "")
		expect(t, "listed", ask(p, nobody, note(policytest.Key(8))), "")
		expect(t, "carol", ask(p, nobody, note(carol)), refusedByAllow)
		events[0] = follows(alice, carol)
		p.(policy.Observer).Saved(nobody, policytest.Event(events[0]))
		synctest.Wait()
		expect(t, "bob is followed no more", ask(p, nobody, note(bob)), refusedByAllow)
		expect(t, "carol is", ask(p, nobody, note(carol)), "")
	})
}

func TestAnyPolicyCanSpareAGroupThatIsKeptUpToDate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		events := []event.Event{follows(alice, bob)}
		env := policy.Env{Stored: func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
			return stored(events...)(ctx, f, found)
		}}
		chain, faults := Build(env, nil, []map[string]any{
			{"use": "kinds", "deny": "1", "unless": map[string]any{"follows_of": []any{key(alice)}}},
		})
		if faults != nil {
			t.Fatal(faults)
		}
		ctx, cancel := context.WithCancel(context.Background())
		done := make(chan error)
		go func() { done <- chain.Run(ctx) }()
		synctest.Wait()
		by := func(pk event.PubKey) string {
			return text(chain.Early(ctx, nobody, policytest.Event(note(pk))).Verdict)
		}
		expect(t, "bob", by(bob), "")
		expect(t, "carol", by(carol), "blocked: ")
		events[0] = follows(alice, carol)
		chain.Saved(nobody, policytest.Event(events[0]))
		synctest.Wait()
		expect(t, "carol is followed now", by(carol), "")
		expect(t, "bob no more", by(bob), "blocked: ")
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	_, faults := build(t, "[[policy]]\nuse='kinds'\ndeny='1'\nonly={files=['nowhere']}\nunless={pubkey='x'}")
	if len(faults) != 2 || faults[0].Path != "policy[0].unless.pubkey" || faults[1].Path != "policy[0].only.files[0]" {
		t.Error(faults)
	}
}

func TestWebOfTrustCountsFollowersByDistance(t *testing.T) {
	k := policytest.Key
	// 1 -> 2 3; 2 -> 4 5; 3 -> 4 (twice in one list: 6); 4 -> 7; others follow 9.
	events := []event.Event{
		follows(k(1), k(2), k(3)), follows(k(2), k(4), k(5)), follows(k(3), k(4), k(6), k(6)),
		follows(k(4), k(7)), follows(k(20), k(9)), follows(k(21), k(9)),
	}
	for _, c := range []struct {
		name                    string
		depth, followers, limit int
		want                    []byte
	}{
		{"one step", 1, 1, 100, []byte{1, 2, 3}},
		{"two steps", 2, 1, 100, []byte{1, 2, 3, 4, 5, 6}},
		{"two followers", 2, 2, 100, []byte{1, 2, 3, 4}},
		{"three steps", 3, 1, 100, []byte{1, 2, 3, 4, 5, 6, 7}},
		{"limited", 2, 1, 4, []byte{1, 2, 3, 4}},
	} {
		synctest.Test(t, func(t *testing.T) {
			table := map[string]any{"use": "allow", "trust": map[string]any{
				"roots": []any{key(k(1))}, "depth": int64(c.depth), "min_followers": int64(c.followers), "limit": int64(c.limit),
			}}
			p := running(t, policy.Env{Stored: stored(events...)}, table)
			synctest.Wait()
			for n := range byte(25) {
				if got := ask(p, nobody, note(k(n))) == ""; got != slices.Contains(c.want, n) {
					t.Errorf("%s: key %d may write: %v", c.name, n, got)
				}
			}
		})
	}
}

func TestKeysParse(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "# nothing\n": 0, key(alice) + "\n" + key(alice) + "\n": 2, "\ufeff" + key(bob): 1,
		`["` + key(bob) + `"]`: 1, `{"names":{"a":"` + key(bob) + `","b":"` + key(carol) + `"}}`: 2,
		`[1]`: -1, `{}`: -1, `{"names":{"a":"x"}}`: -1, nip19.Npub(alice): 1, strings.Repeat("x", 70_000): -1,
	} {
		keys, err := ParseKeys("list", []byte(text))
		if (err != nil) != (want < 0) || err == nil && len(keys) != want {
			t.Errorf("%.40q: %d keys, %v", text, len(keys), err)
		}
	}
}

// All bad keys of a list are told at once, with their lines in the file.
func TestBadKeysAreToldTogether(t *testing.T) {
	lines := "\n\n# members\n" + key(alice) + " alice\nfoo\n" + strings.Repeat(key(bob)+"\n", 3) + "npub1bad bob\n"
	_, err := ParseKeys("list", []byte(lines))
	if err == nil || !strings.HasPrefix(err.Error(), `list:5: "foo" is not`) || !strings.Contains(err.Error(), `; list:9: "npub1bad" is not`) {
		t.Errorf("of lines: %v", err)
	}
	_, err = ParseKeys("list", []byte(`{"names":{"zoe":"y","al":"x","ok":"`+key(alice)+`"}}`))
	if err == nil || !strings.HasPrefix(err.Error(), `list: "al": "x" is not`) || !strings.Contains(err.Error(), `; list: "zoe": "y" is not`) {
		t.Errorf("of names: %v", err)
	}
	_, err = ParseKeys("list", []byte(`["x"`+strings.Repeat(`,"y"`, 100_000)+`]`))
	if err == nil || strings.Count(err.Error(), "is not a public key") != mostBadKeys || !strings.HasSuffix(err.Error(), "; list: and 99991 more like these") {
		t.Errorf("of very many: %.2000v", err)
	}
}

func BenchmarkTrustOfAMillionFollows(b *testing.B) {
	const people, each = 20_000, 50
	lists := make(map[event.PubKey]*event.Event, people)
	name := func(n int) (pk event.PubKey) {
		n = n * 7919 % (people * 5)
		pk[0], pk[1], pk[2] = byte(n), byte(n>>8), byte(n>>16)
		return pk
	}
	for i := range people {
		var whom []event.PubKey
		for j := range each {
			whom = append(whom, name(i*17+j*j+1))
		}
		lists[name(i)] = policytest.Event(follows(name(i), whom...))
	}
	store := func(_ context.Context, f *event.Filter, found func(*event.Event) error) error {
		for _, a := range f.Authors {
			if e := lists[a]; e != nil {
				if err := found(e); err != nil {
					return err
				}
			}
		}
		return nil
	}
	b.ReportAllocs()
	for b.Loop() {
		w := &trustWalk{trustConfig: trustConfig{Depth: 5, MinFollowers: 1, Limit: 1e6}, stored: store, followers: map[event.PubKey]int32{}}
		w.trust(name(0))
		keys, err := w.run(context.Background())
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(keys)), "people")
	}
}
