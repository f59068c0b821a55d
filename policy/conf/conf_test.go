package conf

import (
	"strings"
	"testing"
	"time"

	"github.com/pelletier/go-toml/v2"

	"moa/nips/event"
	"moa/nips/nip19"
)

type inner struct {
	Name string `toml:"name"`
}

type embedded struct {
	Deep bool `toml:"deep" comment:"Deep."`
}

type sample struct {
	embedded
	Text   string   `toml:"text" comment:"Text,\nin two lines."`
	Whole  int      `toml:"whole" comment:"Whole."`
	Part   float64  `toml:"part" comment:"Part."`
	Wait   Duration `toml:"wait" comment:"Wait."`
	Kinds  Kinds    `toml:"kinds" comment:"Kinds."`
	Key    PubKey   `toml:"key" comment:"Key." example:"\"npub…\""`
	Match  Regexp   `toml:"match" comment:"Match."`
	Addr   Address  `toml:"addr" comment:"Addr."`
	List   []string `toml:"list" comment:"List."`
	One    inner    `toml:"one" comment:"One."`
	Many   []inner  `toml:"many" comment:"Many."`
	secret int
}

func decode(t *testing.T, text string, dst any) Faults {
	t.Helper()
	var table map[string]any
	if err := toml.Unmarshal([]byte(text), &table); err != nil {
		t.Fatal(err)
	}
	return Decode(table, dst)
}

func TestDecodeFillsEveryKindOfField(t *testing.T) {
	s := sample{Text: "default", secret: 1}
	faults := decode(t, `
whole = 3
part = 2
deep = true
wait = "1d12h"
kinds = [1, "5-7"]
key = "npub1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqsux4p9"
match = '^a+$'
addr = "30000:0000000000000000000000000000000000000000000000000000000000000000:a:b"
list = ["a", "b"]
one = { name = "x" }
[[many]]
name = "y"
[[many]]
name = "z"
`, &s)
	for _, f := range faults {
		if f.Path != "key" { // its checksum is not worked out here
			t.Error(f)
		}
	}
	if s.Text != "default" || s.Whole != 3 || s.Part != 2 || !s.Deep || time.Duration(s.Wait) != 36*time.Hour ||
		!s.Kinds.Has(1) || !s.Kinds.Has(6) || s.Kinds.Has(4) || !s.Match.MatchString("aa") || s.Addr.D != "a:b" ||
		strings.Join(s.List, "") != "ab" || s.One.Name != "x" || len(s.Many) != 2 || s.Many[1].Name != "z" {
		t.Errorf("%+v", s)
	}
}

func TestDecodeFindsEveryFault(t *testing.T) {
	var s sample
	faults := decode(t, `
text = 1
whole = 1.5
part = inf
deep = "yes"
wait = "-1s"
kinds = [70000]
match = "("
addr = "1:2:3"
list = ["a", 2]
one = { nome = "x" }
many = [{ name = "a" }, { name = [] }]
extra = { }
`, &s)
	var got strings.Builder
	for _, f := range faults {
		got.WriteString(f.Error() + "\n")
	}
	want := `addr: "1:2:3": not an address: want kind:pubkey:d
deep: want true or false, not "yes"
extra: unknown key; known are addr, deep, key, kinds, list, many, match, one, part, text, wait and whole
kinds: "70000" is not a kind from 0 to 65535 nor a range of them
list[1]: want a string, not 2
many[1].name: want a string, not a list
match: error parsing regexp: missing closing ): ` + "`(`" + `
one.nome: unknown key (did you mean "name"?); known are name
part: want a finite number
text: want a string, not 1
wait: "-1s" is not a duration: want "90s", "1h30m" or "2d"
whole: want a whole number, not 1.5
`
	if got.String() != want {
		t.Errorf("%s", &got)
	}
}

func TestDurationsReadBackAsWritten(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0s": 0, "90s": 90 * time.Second, "1h30m": 90 * time.Minute, "2d": 48 * time.Hour, "1d30s": 24*time.Hour + 30*time.Second, "1h": time.Hour, "10m": 10 * time.Minute,
	} {
		var d, again Duration
		if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) != want {
			t.Errorf("%s: %v, %v", text, d, err)
		}
		if err := again.UnmarshalText([]byte(d.String())); err != nil || again != d {
			t.Errorf("%s is written %s", text, d)
		}
	}
	for _, text := range []string{"", "1", "d", "-1d", "1d-1s", "1.5d", "99999d", "1x"} {
		var d Duration
		if err := d.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q is %v", text, d)
		}
	}
}

func TestKindsReadBackAsWritten(t *testing.T) {
	k := MustKinds(" 1, 5 - 7,30000-39999,, ")
	if k.String() != "1, 5-7, 30000-39999" || len(k.List()) != 10004 || k.Has(0) || !k.Has(39999) {
		t.Errorf("%s, %d kinds", k, len(k.List()))
	}
	for _, bad := range []any{"7-5", "-1", "65536", "x", 1.5, true, []any{[]any{"y"}}} {
		if err := new(Kinds).DecodeValue(bad); err == nil {
			t.Errorf("%v is a set of kinds", bad)
		}
	}
}

func TestSecretKeysAreNotRepeated(t *testing.T) {
	const nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
	if _, err := ParsePubKey(nsec); err == nil || strings.Contains(err.Error(), "vl029") {
		t.Error(err)
	}
	if err := new(Address).UnmarshalText([]byte("30000:" + nsec + ":friends")); err == nil || strings.Contains(err.Error(), "vl029") {
		t.Error(err)
	}
}

func TestTheKeyOfAnAddressMayBeAnNpub(t *testing.T) {
	var a Address
	npub := nip19.Npub(event.PubKey{})
	if err := a.UnmarshalText([]byte("30000:" + npub + ":a:b")); err != nil || a.String() != "30000:"+strings.Repeat("0", 64)+":a:b" {
		t.Errorf("%s, %v", a, err)
	}
}

func TestSampleIsDocumentedTOML(t *testing.T) {
	got := Sample(sample{Part: 1, Wait: Duration(time.Hour), Kinds: MustKinds("1-2"), List: []string{"a\"b"}, One: inner{"n"}})
	for _, want := range []string{
		"# # Deep.\n# deep = false\n", "# # Text,\n# # in two lines.\n# text = \"\"\n", "# part = 1.0\n", "# wait = \"1h\"\n",
		"# kinds = \"1-2\"\n", "# key = \"npub…\"\n", "# list = [\"a\\\"b\"]\n", "# one = { name = \"n\" }\n", "# many = []\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}
