package records

import "testing"

func TestNamesOfFiles(t *testing.T) {
	for name, want := range map[string][2]bool{ // a segment, a file of the Log
		"records.00000000000000ff":     {true, true},
		"records.00000000000000ff.new": {false, false},
		"records.00000000000000FF":     {false, false},
		"records.+0000000000000ff":     {false, false},
		"recordz.00000000000000ff":     {false, false},
		"a/records.00000000000000ff":   {false, false},
		"records.dead":                 {false, true},
		"records.dead.sum":             {false, true},
		"records.notes":                {false, false},
		"records.":                     {false, false},
		"":                             {false, false},
	} {
		if got := [2]bool{IsSegment(name), IsFile(name)}; got != want {
			t.Errorf("%q: %v, want %v", name, got, want)
		}
	}
}
