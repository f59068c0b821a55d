package geo

import "testing"

func TestCentreIsTheMiddleAtTheSizeOfTheArea(t *testing.T) {
	prefixes := func(hashes ...string) (all []Shape) {
		for _, h := range hashes {
			all = append(all, must(Prefix(h)))
		}
		return all
	}
	one := func(s Shape, err error) []Shape { return []Shape{must(s, err)} }
	for _, c := range []struct {
		name             string
		include, exclude []Shape
		want             string // "*": some cell of the area
	}{
		{"a cell", prefixes("u33"), nil, "u33"},
		{"a small cell", prefixes("u33dc1v0"), nil, "u33dc1v0"},
		{"a cell and a small one far away", prefixes("u33", "9q8yyk"), nil, "u3"}, // a little more than u33
		{"Berlin and around", one(Circle(52.52, 13.4, 30)), nil, "u33"},
		{"across the antimeridian", one(Box(1, 178, 3, -179)), nil, "xb"},
		{"the north pole", one(Circle(90, 0, 100)), nil, "*"},
		{"a ring: not the hole in it", one(Circle(52.52, 13.4, 30)), one(Circle(52.52, 13.4, 29)), "*"},
		{"the earth without a cell", nil, prefixes("u33"), ""},
		{"two sides of the earth", prefixes("u33", "2"), nil, ""},
	} {
		area := must(Compile(c.include, c.exclude))
		got := area.Centre()
		if c.want == "*" && (got == "" || area.Compare(got) == Outside) || c.want != "*" && got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
