package geo

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/golang/geo/s2"

	"moa/nips/geohash"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func shapes(list ...Shape) []Shape { return list }

// star is a GeoJSON polygon of n corners around a place, some of them nearer.
func star(lat, lon float64, n int) string {
	var ring []string
	for i := range n + 1 {
		a := 2 * math.Pi * float64(i%n) / float64(n)
		r := 0.3 + 0.1*math.Sin(7*a)
		ring = append(ring, fmt.Sprintf("[%v,%v]", lon+r*math.Cos(a)*1.6, lat+r*math.Sin(a)))
	}
	return `{"type":"Feature","properties":{},"geometry":{"type":"Polygon","coordinates":[[` + strings.Join(ring, ",") + `]]}}`
}

func TestAreasKnowTheirPlaces(t *testing.T) {
	world := must(Box(-90, -180, 90, 180))
	for _, c := range []struct {
		name             string
		include, exclude []Shape
		in, out          []place
	}{
		{
			"a prefix", shapes(must(Prefix("u33"))), nil,
			[]place{{52.5, 13.4}},
			[]place{{52.5, 9.7}, {48.1, 11.6}, {37.8, -122.4}},
		},
		{
			"a circle at the antimeridian", shapes(must(Circle(-17.7, 178, 400))), nil,
			[]place{{-17.7, 178}, {-17.7, -179}, {-16.5, 179.9}, {-17.7, -178.3}},
			[]place{{-17.7, -178.1}, {-17.7, 174.1}, {-22, 178}},
		},
		{
			"a circle at a pole", shapes(must(Circle(89, 0, 500))), nil,
			[]place{{90, 0}, {89.9, 180}, {86, 90}, {87, -170}},
			[]place{{85, 180}, {80, 0}},
		},
		{
			"a box across the antimeridian", shapes(must(Box(-20, 170, -10, -170))), nil,
			[]place{{-15, 175}, {-15, -175}, {-15, 180}, {-15, -180}},
			[]place{{-15, 169}, {-15, -169}, {-9, 175}, {-21, 175}},
		},
		{
			"a box at a pole", shapes(must(Box(60, -180, 90, 180))), nil,
			[]place{{90, 0}, {90, 180}, {61, -180}, {60.1, 179.99}},
			[]place{{59.9, 0}},
		},
		{
			"a polygon with a hole", must(GeoJSON([]byte(`{"type":"Polygon","coordinates":[
				[[0,0],[10,0],[10,10],[0,10],[0,0]],[[4,4],[4,6],[6,6],[6,4],[4,4]]]}`))), nil,
			[]place{{1, 1}, {3.9, 5}, {9.9, 9.9}},
			[]place{{5, 5}, {4.1, 4.1}, {-1, 5}, {11, 5}},
		},
		{
			"the same, turned around", must(GeoJSON([]byte(`{"type":"Polygon","coordinates":[
				[[0,0],[0,10],[10,10],[10,0],[0,0]],[[4,4],[6,4],[6,6],[4,6],[4,4]]]}`))), nil,
			[]place{{1, 1}, {3.9, 5}},
			[]place{{5, 5}, {-1, 5}, {50, 50}},
		},
		{
			"a polygon cut at the antimeridian", must(GeoJSON([]byte(`{"type":"MultiPolygon","coordinates":[
				[[[170,-20],[180,-20],[180,-10],[170,-10],[170,-20]]],[[[-180,-20],[-170,-20],[-170,-10],[-180,-10],[-180,-20]]]]}`))), nil,
			[]place{{-15, 175}, {-15, -175}, {-15, 179.9999}, {-15, -179.9999}},
			[]place{{-15, 169}, {-15, -169}},
		},
		{
			"a polygon beyond 180", must(GeoJSON([]byte(`{"type":"Polygon","coordinates":[[[170,-20],[190,-20],[190,-10],[170,-10],[170,-20]]]}`))), nil,
			[]place{{-15, 175}, {-15, -175}, {-15, 180}},
			[]place{{-15, 169}, {-15, -169}},
		},
		{
			"a polygon round a pole, as flat maps draw it", must(GeoJSON([]byte(`{"type":"Polygon","coordinates":[[
				[-180,-90],[180,-90],[180,-60],[0,-65],[-180,-60],[-180,-90]]]}`))), nil,
			[]place{{-90, 0}, {-80, 180}, {-66, 0}, {-61, 179}},
			[]place{{-64, 0}, {-59, 179}, {0, 0}},
		},
		{
			"a long edge is straight on a flat map", must(GeoJSON([]byte(`{"type":"Polygon","coordinates":[[[0,50],[60,50],[60,60],[0,60],[0,50]]]}`))), nil,
			[]place{{50.2, 30}, {59.8, 30}},
			[]place{{49.8, 30}, {60.2, 30}},
		},
		{
			"a union", shapes(must(Prefix("u33")), must(Circle(48.14, 11.58, 30))), nil,
			[]place{{52.5, 13.4}, {48.1, 11.6}},
			[]place{{50, 12}},
		},
		{
			"a difference", shapes(must(Prefix("u3"))), shapes(must(Prefix("u33")), must(Circle(53.55, 10, 30))),
			[]place{{51.05, 13.7}},
			[]place{{52.5, 13.4}, {53.55, 10}},
		},
		{
			"all but a box", nil, shapes(must(Box(40, 0, 60, 20))),
			[]place{{0, 0}, {-90, 0}},
			[]place{{50, 10}},
		},
		{"everything", shapes(world), nil, []place{{0, 0}, {90, 0}, {-90, 180}, {12, -180}}, nil},
	} {
		a, err := Compile(c.include, c.exclude)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		for _, p := range c.in {
			if !a.HasCentre(geohash.Encode(p.lat, p.lon, 12)) {
				t.Errorf("%s does not have %v", c.name, p)
			}
		}
		for _, p := range c.out {
			if a.HasCentre(geohash.Encode(p.lat, p.lon, 12)) {
				t.Errorf("%s has %v", c.name, p)
			}
		}
	}
}

// An area is its shapes but for places as near to the rim as Accuracy says.
func TestCompiledAreaIsExactUpToItsAccuracy(t *testing.T) {
	a1, a2 := must(GeoJSON([]byte(star(52.5, 13.4, 500)))), shapes(must(Circle(52.6, 13.5, 10)))
	a := must(Compile(a1, a2))
	c := compiler{include: a1, exclude: a2}
	index := s2.NewShapeIndex()
	index.Add(a1[0].(polygon).body)
	ns, ew := a.Accuracy()
	reach := math.Hypot(ns, ew) / 1000 / earthRadius // radians
	rng := rand.New(rand.NewPCG(1, 2))
	wrong, near := 0, 0
	for range 20_000 {
		p := place{52 + rng.Float64(), 12.7 + 1.4*rng.Float64()}
		if a.HasCentre(geohash.Encode(p.lat, p.lon, 12)) == c.contains(p) {
			continue
		}
		d := math.Abs(float64(a2[0].(circle).centre.Distance(p.point()) - a2[0].(circle).radius))
		// A query keeps the options of earlier calls, so each place has its own.
		rim := s2.NewClosestEdgeQuery(index, s2.NewClosestEdgeQueryOptions().IncludeInteriors(false))
		d = min(d, float64(rim.Distance(s2.NewMinDistanceToPointTarget(p.point())).Angle()))
		if d > reach*1.01 {
			wrong++
		} else {
			near++
		}
	}
	t.Logf("accuracy %.1f m by %.1f m, %d spans; %d places near the rim differ", ns, ew, len(a.spans), near)
	if wrong > 0 || ns > 40 {
		t.Errorf("%d places differ that are not near the rim; accuracy %v m", wrong, ns)
	}
}

// What Compare says of a cell follows from its 32 children, down to the finest.
func TestCompareAgreesWithTheCellsInside(t *testing.T) {
	a := must(Compile(must(GeoJSON([]byte(star(52.5, 13.4, 60)))), shapes(must(Prefix("u33d")))))
	rng := rand.New(rand.NewPCG(3, 4))
	seen := map[Relation]int{}
	for range 20_000 {
		hash := geohash.Encode(51.9+1.2*rng.Float64(), 12.5+1.8*rng.Float64(), 1+rng.IntN(11))
		inside, outside := 0, 0
		for _, c := range geohash.Alphabet {
			switch a.Compare(hash + string(c)) {
			case Inside:
				inside++
			case Outside:
				outside++
			}
		}
		want := Partly
		if inside == 32 {
			want = Inside
		} else if outside == 32 {
			want = Outside
		}
		if got := a.Compare(hash); got != want {
			t.Fatalf("%s is %d, its children make it %d", hash, got, want)
		}
		seen[want]++
	}
	if len(seen) != 3 {
		t.Errorf("seen only %v", seen)
	}
}

func TestPrefixesCover(t *testing.T) {
	a := must(Compile(shapes(must(Prefix("u33")), must(Prefix("u2")), must(Prefix("9q8yy"))), nil))
	if got := a.Prefixes(3); !slices.Equal(got, []string{"9", "u"}) && !slices.Equal(got, []string{"9q", "u2", "u3"}) {
		t.Error(got)
	}
	if got := must(Compile(shapes(must(Prefix("u33"))), nil)).Prefixes(1); !slices.Equal(got, []string{"u33"}) {
		t.Error(got)
	}
	if got := must(Compile(nil, shapes(must(Prefix("u33"))))).Prefixes(10); got != nil {
		t.Error(got)
	}
}

func TestBadShapesAreNamed(t *testing.T) {
	get := func(_ Shape, err error) string { return fmt.Sprint(err) }
	geojson := func(text string) string { _, err := GeoJSON([]byte(text)); return fmt.Sprint(err) }
	_, empty := Compile(shapes(must(Prefix("u33"))), shapes(must(Prefix("u"))))
	for _, c := range []struct{ got, want string }{
		{get(Prefix("u4pria")), `"u4pria" is not a geohash (letter i)`},
		{get(Prefix("")), `"" is not a geohash`},
		{get(Prefix("u33db2u33db2u")), `more than 12 letters`},
		{get(Prefix("u33é")), `(letter é)`},
		{get(Circle(91, 0, 1)), "latitude 91 is not from -90 to 90"},
		{get(Circle(0, 181, 1)), "longitude 181 is not"},
		{get(Circle(math.NaN(), 0, 1)), "latitude NaN"},
		{get(Circle(0, 0, 0)), "a circle of 0 km"},
		{get(Circle(0, 0, math.NaN())), "a circle of NaN km"},
		{get(Box(10, 0, 10, 5)), "is empty"},
		{geojson(`{}`), "without a type"},
		{geojson(`[`), "not GeoJSON"},
		{geojson(`{"type":"FeatureCollection","features":[]}`), "there is no polygon"},
		{geojson(`{"type":"Point","coordinates":[1,2]}`), "a Point is not a Polygon"},
		{geojson(`{"type":"Polygon","coordinates":[]}`), "a polygon without a ring"},
		{geojson(`{"type":"Polygon","coordinates":[[[0,0],[1,1],[0,0]]]}`), "less than four places"},
		{geojson(`{"type":"Polygon","coordinates":[[[0,0],[1,1],[1,0],[0,1]]]}`), "does not end where it began"},
		{geojson(`{"type":"Polygon","coordinates":[[[0,0],[1,1],[2,2],[1,1],[0,0]]]}`), "no area"},
		{geojson(`{"type":"Polygon","coordinates":[[[0,0],[1,1],[1],[0,0]]]}`), "no longitude and latitude"},
		{geojson(`{"type":"Polygon","coordinates":[[["a",0]]]}`), "the coordinates of a Polygon"},
		{fmt.Sprint(empty), "the area is empty"},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s, want %s", c.got, c.want)
		}
	}
}

func FuzzGeoJSON(f *testing.F) {
	f.Add(star(0, 179.9, 12))
	f.Add(`{"type":"Polygon","coordinates":[[[-180,-90],[180,-90],[180,-60],[-180,-60],[-180,-90]]]}`)
	// What is accepted has somewhere to be.
	f.Fuzz(func(t *testing.T, text string) {
		if len(text) > 4000 {
			return
		}
		s, err := GeoJSON([]byte(text))
		if err == nil && len(s) == 0 {
			t.Error("neither a shape nor an error")
		}
	})
}

func BenchmarkArea500Vertices(b *testing.B) {
	a := must(Compile(must(GeoJSON([]byte(star(52.5, 13.4, 500)))), nil))
	var hashes []string
	rng := rand.New(rand.NewPCG(1, 2))
	for range 1024 {
		hashes = append(hashes, geohash.Encode(52+rng.Float64(), 12.7+1.4*rng.Float64(), 5+rng.IntN(4)))
	}
	b.Run("Compare", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			a.Compare(hashes[i%len(hashes)])
		}
	})
	b.Run("Compile", func(b *testing.B) {
		for b.Loop() {
			must(Compile(must(GeoJSON([]byte(star(52.5, 13.4, 500)))), nil))
		}
	})
}
