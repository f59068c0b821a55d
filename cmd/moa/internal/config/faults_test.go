package config

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"moa/cmd/moa/internal/usage"
	"moa/policy"
	"moa/policy/conf"
)

// A fault of each kind is a value that says where it stands, what is wrong and what
// would be right, from the decoder, the relay, the command and the policies alike.
func TestFaultsAreValues(t *testing.T) {
	file := filepath.Join(t.TempDir(), "moa.toml")
	text := `listn = 1
listen = "nowhere"
url = 5
trusted_proxies = ["10.0.0.0/8", "nonsense"]
[info]
pubkey = "abc"
self = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
[limits]
filters = 0
default_limit = 6000
[clients]
ping_every = "soon"
[store]
cache_mib = 1
[log]
level = "loud"
[process]
io_uring = 1
nothing = 1
[[policy]]
use = "kinds"
allow = [1.5]
`
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Source{File: file}
	c, bad, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	_, more := s.Chain(&c, policy.Env{}, nil, nil, nil)
	bad = append(bad, more...)
	by := map[string]conf.Fault{}
	for _, f := range bad {
		by[f.Path] = f
	}
	for _, want := range []conf.Fault{
		{Path: "listen", Line: 2, Wrong: `"nowhere" is no address`, Want: `"HOST:PORT", "127.0.0.1:7447" or ":7447"`},
		{Path: "url", Line: 3, Got: "5", Want: "a string"},
		{Path: "trusted_proxies[1]", Line: 4, Wrong: `"nonsense" is not a network`, Want: `"10.0.0.0/8", "fd00::/8" or an address`},
		{Path: "limits.filters", Line: 9, Wrong: "0 is less than 1"},
		{Path: "limits.default_limit", Line: 10, Wrong: "6000 is more than limits.limit, 5000"},
		{Path: "clients.ping_every", Line: 12, Wrong: `"soon" is not a time`, Want: `"500ms", "20s" or "1m30s"`},
		{Path: "store.cache_mib", Line: 14, Wrong: "1 is less than 32"},
		{Path: "log.level", Line: 16, Wrong: `"loud" is none of debug, info, warn, error`},
		{Path: "process.io_uring", Line: 18, Got: "1", Want: "true or false"},
		{Path: "policy[0].allow", Line: 22, Got: "1.5", Want: `kinds like "0-19, 30000-39999"`},
	} {
		want.Source = file
		if by[want.Path] != want {
			t.Errorf("the fault is %#v, and should be %#v", by[want.Path], want)
		}
		delete(by, want.Path)
	}
	for path, part := range map[string]string{
		"listn": `(did you mean "listen"?)`, "info.pubkey": `"abc" is no public key: `, "info.self": "secret key",
		"process.nothing": "unknown key; known are io_uring, memory_mib, open_files, shutdown_grace and verifier",
	} {
		if f := by[path]; f.Line == 0 || !strings.Contains(f.Wrong, part) || strings.Contains(f.Wrong, "vl029") {
			t.Errorf("the fault of %s is %#v, and should say %s", path, f, part)
		}
		delete(by, path)
	}
	if len(by) > 0 {
		t.Errorf("more faults: %v", by)
	}
	err = Err(bad)
	if f, ok := errors.AsType[conf.Fault](err); !ok || f.Path != bad[0].Path || usage.ExitCode(err) != 2 {
		t.Errorf("%v is not made of faults", err)
	}
	if want := file + ":9: limits.filters: 0 is less than 1\n"; !strings.Contains(err.Error(), want) {
		t.Errorf("%q is not in %v", want, err)
	}
}

// A key in the wrong table is told where it belongs.
func TestAKeyInAnotherTableIsSentHome(t *testing.T) {
	file := filepath.Join(t.TempDir(), "moa.toml")
	text := "message_bytes = 1\n[limits]\nfilters = 3\nlisten = \":7447\"\nnonsense = 1\n[[policy]]\nuse = \"kinds\"\nurl = \"wss://relay.example\"\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	s := &Source{File: file}
	c, bad, err := s.Read()
	if err != nil {
		t.Fatal(err)
	}
	_, more := s.Chain(&c, policy.Env{}, nil, nil, nil)
	said := Err(append(bad, more...)).Error()
	top := ": unknown key here: it is a key of the top, and belongs before the first [table]; known are "
	for _, want := range []string{":4: limits.listen" + top, ":8: policy[0].url" + top, ":1: message_bytes: unknown key here: it is a key of [limits]; known", ":5: limits.nonsense: unknown key; known"} {
		if !strings.Contains(said, file+want) {
			t.Errorf("does not say %q:\n%s", want, said)
		}
	}
}

func TestTheSourceOfAFaultIsWhatSetsTheKey(t *testing.T) {
	for l := range new(Config).leaves() {
		if l.Path != "limits.filters" {
			continue
		}
		for value, want := range map[string]conf.Fault{
			"many": {Source: "--limits.filters", Got: `"many"`, Want: "a whole number"},
			"0":    {Source: "--limits.filters", Path: "limits.filters", Wrong: "0 is less than 1"},
		} {
			_, bad, err := (&Source{override: []override{{leaf: l, from: "--limits.filters", value: value}}}).Read()
			if err != nil || len(bad) != 1 || bad[0] != want {
				t.Errorf("%v, %v; want %v", bad, err, want)
			}
		}
	}
	c := Default()
	c.Store.CacheMiB = 0
	if f := new(Source).placed(c.Validate()[0]); f.Error() != "default: store.cache_mib: 0 is less than 32" {
		t.Error(f)
	}
}
