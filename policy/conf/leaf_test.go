package conf

import (
	"slices"
	"strings"
	"testing"
	"time"
)

type limits struct {
	Least int `toml:"least" default:"7" least:"3"`
	None  int `toml:"none" least:"0"`
}

// flat has keys in tables that have a struct, in tables that have none, and in both.
type flat struct {
	embedded
	Limits  limits        `toml:"limits"`
	Enabled bool          `toml:"metrics.enabled" default:"true"`
	More    string        `toml:"limits.more.name" default:"x"`
	Every   time.Duration `toml:"every" default:"1m30s"`
	Match   Regexp        `toml:"match"`
	ignored int
}

func TestLeavesAreTheKeysOfAllTables(t *testing.T) {
	f := flat{ignored: 1}
	var paths []string
	for l := range Leaves(&f) {
		paths = append(paths, l.Path)
	}
	slices.Sort(paths)
	if got := strings.Join(paths, " "); got != "deep every limits.least limits.more.name limits.none match metrics.enabled" {
		t.Error(got)
	}
	SetDefaults(&f)
	if f.Limits != (limits{7, 0}) || !f.Enabled || f.More != "x" || f.Every != 90*time.Second || f.Deep {
		t.Errorf("%+v", f)
	}
	f.Limits = limits{2, -1}
	if got := Check("", &f).Err().Error(); got != "limits.least: 2 is less than 3\nlimits.none: -1 is less than 0" {
		t.Error(got)
	}
	if got := Check("limits", &f.Limits)[0].Path; got != "limits.least" {
		t.Error(got)
	}
}

func TestTablesWithoutAStructAreDecoded(t *testing.T) {
	var f flat
	faults := decode(t, "deep = true\nevery = \"5s\"\n[limits]\nleast = 9\nmore = { name = \"y\" }\n[metrics]\nenabled = true\n", &f)
	if faults != nil || !f.Deep || f.Every != 5*time.Second || f.Limits.Least != 9 || f.More != "y" || !f.Enabled {
		t.Errorf("%+v, %v", f, faults)
	}
	faults = decode(t, "metrics = 1\n[limits]\nmost = 1\nmore = [1]\n", &f)
	if got := faults.Err().Error(); got != "limits.more: want a table, not a list\nlimits.most: unknown key (did you mean \"more\"?); known are least, more and none\nmetrics: want a table, not 1" {
		t.Error(got)
	}
}

// A default that cannot be read is a fault of the program, and found at its first start.
func TestATagThatCannotBeReadPanics(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	var bad struct {
		N int `toml:"n" default:"many"`
	}
	SetDefaults(&bad)
}
