package geohash_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"moa/nips/geohash"
)

func TestValid(t *testing.T) {
	for _, s := range []string{"u", "9q8yy", "drt2z", "test", "000000000000", "zzzzzzzzzzzz", geohash.Alphabet[:12], geohash.Alphabet[20:]} {
		if !geohash.Valid(s) {
			t.Errorf("%q is a hash", s)
		}
	}
	for _, s := range []string{"", "a", "i", "l", "o", "U33", "u33 ", "u-3", "ü", "0000000000000", "https://grasp.example.com", "u33\x00"} {
		if geohash.Valid(s) {
			t.Errorf("%q is no hash", s)
		}
		if _, ok := geohash.Decode(s); ok || geohash.Neighbours(s) != nil {
			t.Errorf("%q is decoded", s)
		}
	}
}

func TestKnownPlaces(t *testing.T) {
	for _, c := range []struct {
		lat, lon float64
		want     string
	}{
		{57.64911, 10.40744, "u4pruydqqvj8"}, // the format's classic example
		{52.5163, 13.3777, "u33db"},          // Brandenburg Gate
		{37.7749, -122.4194, "9q8yy"},        // San Francisco
		{-33.8568, 151.2153, "r3gx2"},        // Sydney Opera House
		{0, 0, "s0000"},
		{-90, -180, "00000"},
		{90, 179.999999, "zzzzz"},
		{90, -180, "bpbpb"},
		{0, 180, "80000"}, // the same place as -180
		{0, 540, "80000"},
		{0, -540, "80000"},
		{91, 0, "upbpb"},
	} {
		if got := geohash.Encode(c.lat, c.lon, len(c.want)); got != c.want {
			t.Errorf("%v, %v: %q, want %q", c.lat, c.lon, got, c.want)
		}
	}
}

func TestWhatHasNoHash(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	for _, c := range []struct {
		lat, lon float64
		length   int
	}{{nan, 0, 5}, {0, nan, 5}, {inf, 0, 5}, {-inf, 0, 5}, {0, inf, 5}, {0, -inf, 5}, {0, 0, 0}, {0, 0, 13}, {0, 0, -1}} {
		if got := geohash.Encode(c.lat, c.lon, c.length); got != "" {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// random returns n hashes of all lengths.
func random(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	out := make([]string, n)
	for i := range out {
		b := make([]byte, 1+r.IntN(geohash.MaxLen))
		for j := range b {
			b[j] = geohash.Alphabet[r.IntN(32)]
		}
		out[i] = string(b)
	}
	return out
}

func TestACellHoldsItsCornerAndCentreAndLiesInItsParent(t *testing.T) {
	for _, h := range random(5000) {
		b, ok := geohash.Decode(h)
		if !ok {
			t.Fatal(h)
		}
		lat, lon := b.Centre()
		if got := geohash.Encode(lat, lon, len(h)); got != h {
			t.Fatalf("the centre of %s is in %s", h, got)
		}
		if got := geohash.Encode(b.South, b.West, len(h)); got != h {
			t.Fatalf("the corner of %s is in %s", h, got)
		}
		p, ok := geohash.Decode(h[:len(h)-1])
		if len(h) > 1 && (!ok || b.South < p.South || b.North > p.North || b.West < p.West || b.East > p.East) {
			t.Fatalf("%s %+v is not in its parent %+v", h, b, p)
		}
	}
}

func TestNeighboursAreEightAndMutual(t *testing.T) {
	for _, h := range random(2000) {
		around := geohash.Neighbours(h)
		if len(around) != 8 || len(slices.Compact(slices.Sorted(slices.Values(around)))) != 8 || slices.Contains(around, h) {
			t.Fatalf("%s: %q", h, around)
		}
		for _, n := range around {
			if !slices.Contains(geohash.Neighbours(n), h) {
				t.Fatalf("%s is next to %s, and not the other way round", n, h)
			}
		}
	}
}

func TestNeighboursTouchInOrder(t *testing.T) {
	for _, h := range random(2000) {
		b, _ := geohash.Decode(h)
		if b.South == -90 || b.North == 90 || b.West == -180 || b.East == 180 {
			continue
		}
		around := geohash.Neighbours(h)
		for i, touches := range []func(n geohash.Box) bool{
			0: func(n geohash.Box) bool { return n.South == b.North && n.West == b.West },
			1: func(n geohash.Box) bool { return n.South == b.North && n.West == b.East },
			2: func(n geohash.Box) bool { return n.South == b.South && n.West == b.East },
			3: func(n geohash.Box) bool { return n.North == b.South && n.West == b.East },
			4: func(n geohash.Box) bool { return n.North == b.South && n.West == b.West },
			5: func(n geohash.Box) bool { return n.North == b.South && n.East == b.West },
			6: func(n geohash.Box) bool { return n.South == b.South && n.East == b.West },
			7: func(n geohash.Box) bool { return n.South == b.North && n.East == b.West },
		} {
			if n, ok := geohash.Decode(around[i]); !ok || !touches(n) {
				t.Fatalf("%s: number %d is %s", h, i, around[i])
			}
		}
	}
}

func TestNeighboursAtTheEdgesOfTheMap(t *testing.T) {
	for _, c := range []struct {
		name, hash string
		want       []string
	}{
		{"around 0, 0", "s0000", []string{"kpbpb", "ebpbp", "7zzzz"}},
		{"across the antimeridian, eastward", "x", []string{"8"}},
		{"across the antimeridian, westward", "80000", []string{"xbpbp", "rzzzz"}},
		{"across the north pole, half way round", "b", []string{"g", "u", "v"}},
		{"across the south pole, half way round", "0", []string{"5", "h", "j"}},
		{"at the north pole and the antimeridian", "bpbpb", []string{"zzzzz", "upbpb"}},
	} {
		around := geohash.Neighbours(c.hash)
		for _, w := range c.want {
			if !slices.Contains(around, w) {
				t.Errorf("%s: %s has not %s but %q", c.name, c.hash, w, around)
			}
		}
	}
}

func TestDecodeIsExactAtTheEdges(t *testing.T) {
	for _, c := range []struct {
		hash string
		want geohash.Box
	}{
		{"0", geohash.Box{South: -90, West: -180, North: -45, East: -135}},
		{"z", geohash.Box{South: 45, West: 135, North: 90, East: 180}},
		{"s0", geohash.Box{South: 0, West: 0, North: 5.625, East: 11.25}},
	} {
		if got, _ := geohash.Decode(c.hash); got != c.want {
			t.Errorf("%s: %+v", c.hash, got)
		}
	}
}

func TestALadderIsAllPrefixes(t *testing.T) {
	if got := strings.Join(geohash.Ladder("9q9p3"), " "); got != "9 9q 9q9 9q9p 9q9p3" {
		t.Error(got)
	}
}

func TestContains(t *testing.T) {
	if !geohash.Contains("u33", "u33dc1") || geohash.Contains("u33dc1", "u33") || !geohash.Contains("u33", "u33") || geohash.Contains("u33", "u34") {
		t.Error("Contains")
	}
}
