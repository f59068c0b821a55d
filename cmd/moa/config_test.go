package main

import (
	"bytes"
	"context"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"
	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/usage"
	"moa/nips/nip19"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/conf"
	"moa/relay/relaytest"
)

// writeConfig writes a config file and returns its name.
func writeConfig(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "moa.toml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSampleIsExactlyTheDefault(t *testing.T) {
	var table map[string]any
	if err := toml.Unmarshal([]byte(sample()), &table); err != nil {
		t.Fatal(err)
	}
	var c config.Config
	if bad := conf.Decode(table, &c); bad != nil {
		t.Fatal(bad)
	}
	want := config.Default()
	for l := range conf.Leaves(&want) {
		if l.Path != "policy" && isList(l) && l.Value.Len() == 0 {
			l.Value.Set(reflect.MakeSlice(l.Value.Type(), 0, 0)) // as TOML reads []
		}
	}
	if !reflect.DeepEqual(c, want) {
		t.Errorf("the sample is\n%+v\nthe default is\n%+v", c, want)
	}
}

func TestSampleDocumentsEveryKey(t *testing.T) {
	text := sample()
	c := config.Default()
	for l := range conf.Leaves(&c) {
		key := l.Path[strings.LastIndex(l.Path, ".")+1:]
		if l.Path != "policy" && !regexp.MustCompile(`(?m)^`+key+` = `).MatchString(text) {
			t.Errorf("%s is missing", l.Path)
		}
	}
	for _, name := range builtin.Names() {
		if !strings.Contains(text, `use = "`+name+`"`) {
			t.Errorf("policy %s is missing", name)
		}
	}
}

func TestSampleMarksWhatNeedsRestart(t *testing.T) {
	c := config.Default()
	marked := map[string]bool{}
	table, pending := "", ""
	for line := range strings.Lines(sampleHead) {
		line = strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(line, "#"):
			pending += line
		case strings.HasPrefix(line, "["):
			table = strings.Trim(line, "[]") + "."
			marked[table] = strings.Contains(pending, "[restart]")
			pending = ""
		case strings.Contains(line, " = "):
			key, _, _ := strings.Cut(line, " = ")
			marked[table+key] = marked[table] || strings.Contains(pending, "[restart]")
			// One comment may stand over several keys.
			if !strings.HasPrefix(key, "ticket_") {
				pending = ""
			}
		case line == "":
			pending = ""
		}
	}
	for l := range conf.Leaves(&c) {
		if needs := len(c.NeedRestart(changed(c, l.Path))) > 0; needs != marked[l.Path] {
			t.Errorf("%s: needs a restart: %v; the sample says so: %v", l.Path, needs, marked[l.Path])
		}
	}
}

func isList(l conf.Leaf) bool { return l.Value.Kind() == reflect.Slice }

// changed returns a copy of c that differs in one key.
func changed(c config.Config, path string) *config.Config {
	for l := range conf.Leaves(&c) {
		if l.Path == path {
			one := reflect.New(l.Value.Type()).Elem()
			switch {
			case isList(l):
				one.Set(reflect.MakeSlice(l.Value.Type(), 1, 1))
			case l.Value.Kind() == reflect.String:
				one.SetString("other")
			case l.Value.Kind() == reflect.Bool:
				one.SetBool(!l.Value.Bool())
			default:
				one.SetInt(l.Value.Int() + 1)
			}
			l.Value.Set(one)
		}
	}
	return &c
}

func TestEveryRelaySettingHasAKey(t *testing.T) {
	c := config.Default()
	keys := map[any]bool{&c.Info.Version: true} // no key: it is that of the program
	for l := range conf.Leaves(&c) {
		keys[l.Value.Addr().Interface()] = true
	}
	for name, field := range fields(reflect.ValueOf(&c.Config).Elem(), "") {
		if !keys[field.Addr().Interface()] {
			t.Errorf("no key sets relay.Config.%s", name)
		}
	}
}

func fields(v reflect.Value, prefix string) map[string]reflect.Value {
	all := map[string]reflect.Value{}
	for i := range v.NumField() {
		name := prefix + v.Type().Field(i).Name
		if v.Field(i).Kind() != reflect.Struct {
			all[name] = v.Field(i)
			continue
		}
		maps.Copy(all, fields(v.Field(i), name+"."))
	}
	return all
}

func TestEveryFaultIsToldAtOnce(t *testing.T) {
	path := writeConfig(t, `
listn = "x"
listen = "nowhere"
trusted_proxies = ["10.0.0.0/8", "nonsense"]
[info]
pubkey = "abc"
[limits]
limit = "a"
subscriptions = 0
[clients]
ping_every = "soon"
[log]
level = "loud"
[[policy]]
use = "nope"
[[policy]]
use = "kinds"
allow = "1-x"
[[policies]]
use = "pow"
[[policies]]
`)
	_, _, err := load(&config.Source{File: path}, policy.Env{}, nil)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`2: listn: unknown key (did you mean "listen"?); known are `, `3: listen: "nowhere" is no address`, "4: trusted_proxies[1]: ",
		"6: info.pubkey: ", "8: limits.limit: want a whole number", "9: limits.subscriptions: 0 is less than 1", "11: clients.ping_every: ",
		`13: log.level: "loud"`, `15: policy[0].use: `, "18: policy[1].allow", `19: policies: unknown key (did you mean "policy"?)`,
	} {
		if !strings.Contains(err.Error(), path+":"+want) {
			t.Errorf("not told: %s", want)
		}
	}
	if !strings.Contains(err.Error(), "metrics, policy, process") {
		t.Error("policy is not among the keys that are known")
	}
	if usage.ExitCode(err) != 2 {
		t.Errorf("exit code %d", usage.ExitCode(err))
	}
	if t.Failed() {
		t.Log(err)
	}
}

func TestWhatLooksWrongIsAWarning(t *testing.T) {
	path := writeConfig(t, `
listen = ":7447"
[info]
contact = "mailto:me@example.com"
[store]
reserve_mib = 0
sync = false
[self]
relays = ["wss://relay.mine.net", "wss://relay.example.com"]
[[policy]]
use = "allow"
domains = ["mine.net", "example.com"]
trust = { roots = ["`+nip19.Npub(relaytest.NewKey(1).PubKey)+`"] }
only = { urls = ["https://example.com/members.txt"] }
`)
	t.Setenv("MOA_LISTN", "x")
	stdout, stderr, code := run(t, "", "check-config", path)
	if code != 0 || !strings.Contains(stdout, "the configuration is good") {
		t.Errorf("exit code %d: %s%s", code, stdout, stderr)
	}
	for _, want := range []string{
		path + ": url: url is not set", path + ":4: info.contact: it is still the example's value", path + ":6: store.reserve_mib: ", path + ":7: store.sync: ",
		path + ":9: self.relays[1]: it is still", path + ":12: policy[0].domains[1]: it is still", path + ":14: policy[0].only.urls[0]: it is still",
		`MOA_LISTN: no setting has this variable (did you mean "MOA_LISTEN"?)`,
	} {
		if !strings.Contains(stderr, "warning: "+want) {
			t.Errorf("not told: %s\n%s", want, stderr)
		}
	}
	if n := strings.Count(stderr, "it is still the example's value"); n != 4 {
		t.Errorf("%d are the example's:\n%s", n, stderr)
	}
	// The start says it, too.
	s := serveIn(t, t.TempDir(), "--config", path)
	s.Signal(t, syscall.SIGTERM)
	s.Wait(t)
	for _, want := range []string{"policy[0].domains[1]: it is still", `MOA_LISTN: no setting has this variable (did you mean \"MOA_LISTEN\"?)`} {
		if !strings.Contains(s.lines(), want) {
			t.Errorf("the start does not tell %s:\n%s", want, s.lines())
		}
	}
}

// Without a proxy by name, all clients that one brings share the limits of one
// address: wherever the relay listens, wss:// needs a proxy.
func TestAProxyThatIsNotNamedIsAWarning(t *testing.T) {
	for _, c := range []struct {
		url, listen, proxies string
		warn                 bool
	}{
		{"wss://relay.mine.net", "127.0.0.1:7447", "", true},
		{"wss://relay.mine.net", "0.0.0.0:7447", "", true}, // as in a container
		{"wss://relay.mine.net", "0.0.0.0:7447", "172.17.0.0/16", false},
		{"ws://abc.onion", "127.0.0.1:7447", "", true},
		{"ws://relay.mine.net:7447", "0.0.0.0:7447", "", false},
		{"", "127.0.0.1:7447", "", false},
	} {
		_, stderr, code := run(t, "", "check-config", "--url", c.url, "--listen", c.listen, "--trusted-proxies", c.proxies)
		if code != 0 || strings.Contains(stderr, "trusted_proxies: ") != c.warn {
			t.Errorf("%+v: exit code %d, %s", c, code, stderr)
		}
	}
}

// Clients that come around the proxy, and a URL without TLS, are named where they are
// most likely not meant.
func TestARelayWithoutTLSIsAWarning(t *testing.T) {
	for _, c := range []struct {
		url, listen, proxies string
		around, plain        bool
	}{
		{"wss://relay.mine.net", "0.0.0.0:7447", "127.0.0.1,::1", true, false},
		{"wss://relay.mine.net", ":7447", "127.0.0.1", true, false},
		{"wss://relay.mine.net", "127.0.0.1:7447", "127.0.0.1,::1", false, false},
		{"wss://relay.mine.net", "0.0.0.0:7447", "127.0.0.1,172.17.0.1", false, false}, // as in a container
		{"wss://relay.mine.net", "0.0.0.0:7447", "", false, false},
		{"ws://relay.mine.net", "127.0.0.1:7447", "127.0.0.1", false, true},
		{"ws://192.168.1.5:7447", "0.0.0.0:7447", "", false, true},
		{"ws://localhost:7447", "127.0.0.1:7447", "", false, false},
		{"ws://[::1]:7447", "127.0.0.1:7447", "", false, false},
		{"ws://abc.onion", "127.0.0.1:7447", "", false, false},
	} {
		_, stderr := good(t, "check-config", "--url", c.url, "--listen", c.listen, "--trusted-proxies", c.proxies)
		if strings.Contains(stderr, "come around them, without TLS") != c.around || strings.Contains(stderr, "url is ws://") != c.plain {
			t.Errorf("%+v: %s", c, stderr)
		}
	}
}

// Wherever a public key is asked for, an npub does as well.
func TestPublicKeysMayBeNpubs(t *testing.T) {
	key := relaytest.NewKey(3)
	npub := nip19.Npub(key.PubKey)
	c, err := loadArgs(t, "--info.pubkey", npub, "--info.self", npub)
	if err != nil || c.Info.PubKey != key.Hex() || c.Info.Self != key.Hex() {
		t.Errorf("%s, %s, %v", c.Info.PubKey, c.Info.Self, err)
	}
	path := writeConfig(t, strings.ReplaceAll(`
[[policy]]
use = "allow"
pubkeys = ["NPUB"]
follows_of = ["NPUB"]
lists = ["30000:NPUB:friends"]
trust = { roots = ["NPUB"] }
files = ["people.txt"]
only = { pubkeys = ["NPUB"] }
unless = { lists = ["30000:NPUB:"] }
[[policy]]
use = "moderation"
reporters = { pubkeys = ["NPUB"] }
`, "NPUB", npub))
	if err := os.WriteFile(filepath.Join(filepath.Dir(path), "people.txt"), []byte(npub+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	good(t, "check-config", path)
	good(t, "init", "personal", "--pubkey", npub)
	good(t, "policy", "explain", "--config", path, "--as", npub, string(key.Note(t, "hello").Raw))
}

// A mistyped data folder would be an empty relay.
func TestCheckConfigSaysThatTheFolderIsNew(t *testing.T) {
	data := t.TempDir()
	for dir, is := range map[string]bool{data: false, data + "/x/../": false, data + "/x/../stroe/": true} {
		if _, stderr := good(t, "check-config", "--data", dir); strings.Contains(stderr, "note: "+filepath.Clean(dir)+" is not there yet: the first start makes a store in it\n") != is {
			t.Errorf("%s: %s", dir, stderr)
		}
	}
}

func TestUnknownFlagsAreOneLine(t *testing.T) {
	for _, c := range []struct {
		args []string
		want string
	}{
		{[]string{"serve", "--lsten", ":1"}, `moa: there is no flag --lsten (did you mean "--listen"?); moa serve --help lists them`},
		{[]string{"serve", "--limits.message-byte", "1"}, `(did you mean "--limits.message-bytes"?)`},
		{[]string{"export", "--qqqqqqqqqqqq"}, "moa: there is no flag --qqqqqqqqqqqq; moa export --help lists them"},
		{[]string{"moderation", "bann", "--config", "moa.toml"}, "moa: there is no flag --config of moa moderation itself: it follows one of its commands, which are list, show, dismiss, ban,"},
		{[]string{"--config", "moa.toml", "serve"}, "moa: there is no flag --config of moa itself: it follows one of its commands, which are serve, init,"},
		{[]string{"moderation", "ban", "--why", "spam"}, "moa: there is no flag --why; moa moderation ban --help lists them"},
		{[]string{"import", "-z"}, "moa: there is no flag -z; moa import --help lists them"},
	} {
		stdout, stderr, code := run(t, "", c.args...)
		if code != 2 || stdout != "" || !strings.Contains(stderr, c.want) || strings.Count(stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d, %q %q", c.args, code, stdout, stderr)
		}
	}
}

// Each command has its line for them.
func TestEveryCommandRefusesUnknownFlagsInOneLine(t *testing.T) {
	var try func(c *cli.Command, words ...string)
	try = func(c *cli.Command, words ...string) {
		root, out := app(), new(bytes.Buffer)
		root.Writer, root.ErrWriter = out, out
		err := root.Run(t.Context(), append(words, "--nonsense"))
		want := "there is no flag --nonsense; " + strings.Join(words, " ") + " --help lists them"
		if len(c.Commands) > 0 && c.Name != "bench" { // which runs, too
			want = "there is no flag --nonsense of " + strings.Join(words, " ") + " itself: it follows one of its commands, which are "
		}
		if err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "\n") || usage.ExitCode(err) != 2 || out.Len() > 0 {
			t.Errorf("%v: %v, and prints %q", words, err, out)
		}
		for _, sub := range c.Commands {
			try(sub, append(slices.Clip(words), sub.Name)...)
		}
	}
	try(app(), "moa")
}

func TestBrokenTOMLIsPlaced(t *testing.T) {
	_, _, err := load(&config.Source{File: writeConfig(t, "listen = \"x\"\n[limits\n")}, policy.Env{}, nil)
	if err == nil || !strings.Contains(err.Error(), "moa.toml:2:") {
		t.Errorf("%v", err)
	}
}

// A value without quotes is what most often is no TOML, and is told so.
func TestAValueWithoutQuotesIsToldSo(t *testing.T) {
	for line, want := range map[string]string{
		`url = wss://relay.mine.net # ours`:       `; put it in quotes: "wss://relay.mine.net"`,
		`listen = 0.0.0.0:7447`:                   `; put it in quotes: "0.0.0.0:7447"`,
		`listen = [::1]:7447`:                     `; put it in quotes: "[::1]:7447"`,
		`data = /var/lib/moa`:                     `; put it in quotes: "/var/lib/moa"`,
		`trusted_proxies = [127.0.0.1, ::1]`:      `; put it in quotes: "127.0.0.1"`,
		"trusted_proxies = [\n  10.0.0.0/8,\n]":   `; put it in quotes: "10.0.0.0/8"`,
		"[clients]\nping_every = 20s":             `; put it in quotes: "20s"`,
		"[store]\nsync = False":                   "; want true or false",
		"[store]\ncache_mib = 0128":               "",
		"[store]\ncache_mib = 128\ncache_mib = 1": "",
		`url = "wss://relay.mine.net`:             "",
		"[limits":                                 "",
		"listen":                                  "",
	} {
		_, stderr, code := run(t, "", "check-config", writeConfig(t, line+"\n"))
		if code != 2 || strings.Count(stderr, "\n") != 1 || !strings.HasSuffix(stderr, want+"\n") || want == "" && strings.Contains(stderr, "; ") {
			t.Errorf("%s: exit code %d, %s", line, code, stderr)
		}
	}
}

// loadArgs loads the configuration as `moa check-config` with these arguments
// would.
func loadArgs(t *testing.T, args ...string) (c config.Config, err error) {
	t.Helper()
	cmd := checkConfigCommand()
	cmd.Writer = new(bytes.Buffer)
	cmd.Action = actionOf(func(s *config.Source) error {
		c, _, err = load(s, policy.Env{}, nil)
		return nil
	})
	if err := cmd.Run(context.Background(), append([]string{"check-config"}, args...)); err != nil {
		t.Fatal(err)
	}
	return c, err
}

func TestFlagBeforeEnvironmentBeforeFileBeforeDefault(t *testing.T) {
	path := writeConfig(t, `
listen = "127.0.0.1:1"
trusted_proxies = ["10.0.0.1"]
[limits]
filters = 1
subscriptions = 1
event_tags = 1
[log]
level = "error"
`)
	t.Setenv("MOA_LIMITS_FILTERS", "2")
	t.Setenv("MOA_LIMITS_SUBSCRIPTIONS", "2")
	t.Setenv("MOA_TRUSTED_PROXIES", "10.0.0.2, 10.1.0.0/16")
	t.Setenv("MOA_CLIENTS_PING_EVERY", "1m30s")
	t.Setenv("MOA_CLIENTS_EOSE_HINTS", "true")
	c, err := loadArgs(t, "--config", path, "--limits.filters", "3", "--log-level", "warn")
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range []struct {
		what      string
		got, want any
	}{
		{"flag over environment", c.Limits.Filters, 3},
		{"flag over file", c.Log.Level, "warn"},
		{"environment over file", c.Limits.Subscriptions, 2},
		{"list from the environment", len(c.TrustedProxies), 2},
		{"time from the environment", c.PingEvery, 90 * time.Second},
		{"bool from the environment", c.EOSEHints, true},
		{"file over default", c.Listen, "127.0.0.1:1"},
		{"file over default, in a table", c.Limits.EventTags, 1},
		{"default", c.Data, "moa-data"},
	} {
		if l.got != l.want {
			t.Errorf("%s: %v, not %v", l.what, l.got, l.want)
		}
	}
}

func TestFaultsNameTheirSource(t *testing.T) {
	t.Setenv("MOA_LIMITS_FILTERS", "none")
	_, err := loadArgs(t, "--limits.subscriptions", "0")
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{"MOA_LIMITS_FILTERS: want a whole number", "--limits.subscriptions: limits.subscriptions: 0 is less than 1"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
}

// actionOf is a command's Action that only looks at where its configuration
// comes from.
func actionOf(look func(*config.Source) error) cli.ActionFunc {
	return func(_ context.Context, cmd *cli.Command) error { return look(config.SourceOf(cmd)) }
}

// What a setting really means is said where it means something else than it seems.
func TestCheckConfigTellsWhatMakesThingsPublic(t *testing.T) {
	path := writeConfig(t, `url = "wss://relay.example"
listen = "127.0.0.1:7447"
[[policy]]
use = "private"
only = { pubkeys = ["`+strings.Repeat("1", 64)+`"] }
unless = { pubkeys = ["`+strings.Repeat("1", 64)+`"] }
mode = "observe"
[[policy]]
use = "owner-only"
only = { pubkeys = ["`+strings.Repeat("1", 64)+`"] }
[[policy]]
use = "readers"
pubkeys = ["`+strings.Repeat("1", 64)+`"]
only = { pubkeys = ["`+strings.Repeat("1", 64)+`"] }
[[policy]]
use = "allow"
pubkeys = ["`+strings.Repeat("1", 64)+`"]
only = { pubkeys = ["`+strings.Repeat("1", 64)+`"] }
`)
	_, stderr, _ := run(t, "", "check-config", path)
	for _, want := range []string{
		"trusted_proxies: url is set, and only this machine can reach the relay", "policy[0].only: private is about readers: messages are kept from these people only",
		"policy[0].unless: private is about readers", "policy[0].mode: everybody reads everybody's messages",
		"policy[1].only: owner-only is about readers", "policy[2].only: readers is about readers: everybody else reads",
	} {
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not said: %s", want, stderr)
		}
	}
	if strings.Contains(stderr, "policy[3]") {
		t.Errorf("something is said about a policy for writers: %s", stderr)
	}
}
