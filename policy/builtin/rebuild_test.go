package builtin

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/policy"
)

// rebuild is a reload from one config to another one.
func rebuild(t *testing.T, dir, before, after string) (old, now *policy.Chain) {
	t.Helper()
	env := policy.Env{Dir: dir}
	were := parse(t, before)
	old, faults := Build(env, nil, were)
	if faults != nil {
		t.Fatal(faults)
	}
	now, faults = Rebuild(env, nil, parse(t, after), old, were)
	if faults != nil {
		t.Fatal(faults)
	}
	return old, now
}

// named returns the policy of that name.
func named(t *testing.T, c *policy.Chain, name string) *policy.Named {
	t.Helper()
	for i, n := range c.Links() {
		if n.Name == name {
			return &c.Links()[i]
		}
	}
	t.Fatalf("there is no policy %s", name)
	return nil
}

func TestRebuildKeepsWhatItsTableLeavesAsItWas(t *testing.T) {
	people := fmt.Sprintf(`{ pubkeys = [%q] }`, key(alice))
	old, now := rebuild(t, "", `
[[policy]]
use = "rate"
count = 1
[[policy]]
use = "rate"
name = "changed"
count = 2
[[policy]]
use = "spam"
mode = "observe"
unless = `+people+`
[[policy]]
use = "private"
`, `
[[policy]]
use = "spam"
name = "strict"
unless = `+people+`
[[policy]]
use = "rate"
name = "changed"
count = 3
[[policy]]
use = "rate"
count = 1
only = `+people+`
[[policy]]
use = "rate"
name = "another"
count = 1
`)
	if named(t, old, "spam").Policy != named(t, now, "strict").Policy || named(t, old, "spam").Unless != named(t, now, "strict").Unless {
		t.Error("spam has forgotten what it knew")
	}
	if n := named(t, now, "strict"); n.Mode != policy.Enforce {
		t.Error("the new mode is not in force")
	}
	if named(t, old, "rate").Policy != named(t, now, "rate").Policy {
		t.Error("rate has forgotten what it counted")
	}
	if named(t, now, "rate").Only == nil || named(t, old, "rate").Only != nil {
		t.Error("a group of the new table is missing, or in the old chain")
	}
	if named(t, old, "changed").Policy == named(t, now, "changed").Policy {
		t.Error("a table that changed has no effect")
	}
	if named(t, now, "another").Policy == named(t, now, "rate").Policy {
		t.Error("two tables share what they count")
	}
	if named(t, now, "private") != &now.Links()[0] {
		t.Error("private does not come first")
	}
}

func TestRebuildReadsChangedFilesAgain(t *testing.T) {
	dir := t.TempDir()
	area := func(lon int) {
		text := fmt.Sprintf(`{"type":"Polygon","coordinates":[[[%d,0],[%[2]d,0],[%[2]d,10],[%[1]d,10],[%[1]d,0]]]}`, lon, lon+10)
		if err := os.WriteFile(filepath.Join(dir, "area.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	area(0)
	config := "[[policy]]\nuse='geo'\npolygons=['area.json']"
	env, were := policy.Env{Dir: dir}, parse(t, config)
	old, faults := Build(env, nil, were)
	if faults != nil {
		t.Fatal(faults)
	}
	area(100)
	now, faults := Rebuild(env, nil, parse(t, config), old, were)
	if faults != nil {
		t.Fatal(faults)
	}
	note := event.Event{Kind: 1, Tags: []event.Tag{{"g", "s1z"}}} // 5.6 N, 8.4 E
	expect(t, "before", ask(named(t, old, "geo").Policy, nobody, note), "")
	expect(t, "after", ask(named(t, now, "geo").Policy, nobody, note), "blocked: ")
}

func TestRebuildFindsFaultsInWhatDidNotChange(t *testing.T) {
	dir := t.TempDir()
	list := filepath.Join(dir, "members.txt")
	if err := os.WriteFile(list, []byte(key(alice)), 0o600); err != nil {
		t.Fatal(err)
	}
	env, were := policy.Env{Dir: dir}, parse(t, "[[policy]]\nuse='allow'\nfiles=['members.txt']")
	old, faults := Build(env, nil, were)
	if faults != nil {
		t.Fatal(faults)
	}
	if err := os.Remove(list); err != nil {
		t.Fatal(err)
	}
	if now, faults := Rebuild(env, nil, were, old, were); now != nil || len(faults) != 1 || faults[0].Path != "policy[0].files[0]" {
		t.Errorf("%v, %v", now, faults)
	}
}

func TestLoadedOnceEveryListIsRead(t *testing.T) {
	answer := make(chan struct{})
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		<-answer
		fmt.Fprintln(w, key(alice))
	}))
	defer web.Close()
	chain, faults := Build(policy.Env{}, nil, parse(t, "[[policy]]\nuse='spam'\n[[policy]]\nuse='allow'\nname='members'\nurls=['"+web.URL+"']"))
	if faults != nil {
		t.Fatal(faults)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() { done <- chain.Run(ctx) }()
	defer func() { cancel(); <-done }()

	soon, over := context.WithTimeout(ctx, 50*time.Millisecond)
	defer over()
	if missing := chain.Loaded(soon); len(missing) != 1 || missing[0] != "members" {
		t.Errorf("not loaded: %v, want members", missing)
	}
	close(answer)
	late, over := context.WithTimeout(ctx, testwait.Patience)
	defer over()
	if missing := chain.Loaded(late); missing != nil {
		t.Errorf("not loaded: %v", missing)
	}
	expect(t, "a member", ask(named(t, chain, "members").Policy, nobody, event.Event{Kind: 1, PubKey: alice}), "")
}
