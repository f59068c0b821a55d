package builtin

import (
	"os"
	"strings"
	"testing"

	"github.com/pelletier/go-toml/v2"

	"moa/policy"
	"moa/policy/conf"
)

// parse reads a config file's [[policy]] tables.
func parse(t testing.TB, text string) []map[string]any {
	t.Helper()
	var file struct{ Policy []map[string]any }
	if err := toml.Unmarshal([]byte(text), &file); err != nil {
		t.Fatal(err)
	}
	return file.Policy
}

func build(t testing.TB, text string) (*policy.Chain, conf.Faults) {
	t.Helper()
	return Build(policy.Env{Dir: t.TempDir()}, nil, parse(t, text))
}

// use builds one policy and fails the test if it has faults.
func use(t testing.TB, text string) policy.Policy {
	t.Helper()
	chain, faults := build(t, "[[policy]]\n"+text)
	for _, f := range faults {
		t.Error(f)
	}
	if t.Failed() {
		t.FailNow()
	}
	return last(chain)
}

// last is the policy of the last table.
func last(chain *policy.Chain) policy.Policy {
	links := chain.Links()
	return links[len(links)-1].Policy
}

func TestAllFaultsAreNamedAtOnceWithTheirPaths(t *testing.T) {
	_, faults := build(t, `
[[policy]]
use = "kinds"
allow = ["1-x", 7]
typo = 1
[[policy]]
name = "a"
[[policy]]
use = "nothing"
mode = "maybe"
[[policy]]
use = "limits"
name = "a"
bytes = "many"
tags = -1
[[policy]]
use = "limits"
tags = -1
content = -2
[[policy]]
use = "times"
oldest = "yesterday"
mode = 1
`)
	want := []string{
		`policy[0].allow: "1-x" is not a kind from 0 to 65535 nor a range of them`,
		`policy[0].typo: unknown key; known are allow and deny`,
		`policy[1].use: missing; it names the policy`,
		`policy[2].mode: "maybe" is not a mode`,
		`policy[2].use: there is no policy "nothing"; there are `,
		`policy[3].bytes: want a whole number, not "many"`,
		`policy[3].name: "a" is the name of an earlier policy`,
		`policy[4].content: -2 is less than 0`,
		`policy[4].tags: -1 is less than 0`,
		`policy[5].mode: want a string, not 1`,
		`policy[5].oldest: "yesterday" is not a duration`,
	}
	if len(faults) != len(want) {
		t.Errorf("%d faults, want %d", len(faults), len(want))
	}
next:
	for _, w := range want {
		for _, f := range faults {
			if strings.HasPrefix(f.Error(), w) {
				continue next
			}
		}
		t.Errorf("no fault %s in\n%v", w, faults)
	}
}

func TestNamesAreUniqueAndTheDefaultsComeFirst(t *testing.T) {
	chain, faults := build(t, "[[policy]]\nuse='limits'\n[[policy]]\nuse='limits'\nmode='observe'\n[[policy]]\nuse='limits'\nname='big'")
	if faults != nil {
		t.Fatal(faults)
	}
	var names []string
	for _, n := range chain.Links() {
		names = append(names, n.Name+":"+n.Mode.String())
	}
	if got := strings.Join(names, " "); got != "private:enforce times:enforce relay-kinds:enforce limits:enforce limits-2:observe big:enforce" {
		t.Error(got)
	}
	chain, _ = build(t, "[[policy]]\nuse='private'\nkinds=''\n[[policy]]\nuse='times'\nnewest='0s'")
	if n := len(chain.Links()); n != 3 || chain.RestrictsAny() || chain.Limits().NewestCreatedAt != 0 {
		t.Errorf("%d policies; restricts: %v", n, chain.RestrictsAny())
	}
}

// What Samples prints is a config: with one # taken off, it builds, or says
// what is missing.
func TestSamplesAreConfigs(t *testing.T) {
	for _, name := range Names() {
		f, _ := Lookup(name)
		var b strings.Builder
		for line := range strings.Lines(f.Sample) {
			b.WriteString(strings.TrimPrefix(line, "# "))
		}
		_, faults := build(t, "[[policy]]\nuse='"+name+"'\n"+b.String())
		for _, f := range faults {
			if !strings.Contains(f.Text(), "neither") && !strings.Contains(f.Text(), "missing") && !strings.Contains(f.Text(), "<pubkey>") && !strings.Contains(f.Text(), "no such file") {
				t.Errorf("%s: %v", name, f)
			}
		}
		if f.Summary == "" || !strings.Contains(Samples(), "use = \""+name+"\"") {
			t.Errorf("%s is not documented", name)
		}
	}
}

func TestReadmeNamesEveryPolicy(t *testing.T) {
	text, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range Names() {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("%s is not in policy/README.md", name)
		}
	}
}
