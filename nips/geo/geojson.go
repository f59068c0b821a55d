package geo

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/golang/geo/s1"
	"github.com/golang/geo/s2"
)

// polygon is one GeoJSON polygon with its holes.
type polygon struct {
	body *s2.Polygon
	rim  *s2.EdgeQuery
}

// GeoJSON reads every Polygon and MultiPolygon of a GeoJSON text (RFC 7946): a
// geometry, a feature, or a collection of them.
func GeoJSON(text []byte) ([]Shape, error) {
	var root jsonObject
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, fmt.Errorf("not GeoJSON: %w", err)
	}
	shapes, err := root.shapes()
	if err == nil && len(shapes) == 0 {
		err = errors.New("there is no polygon in it")
	}
	return shapes, err
}

type jsonObject struct {
	Type        string          `json:"type"`
	Features    []jsonObject    `json:"features"`
	Geometry    *jsonObject     `json:"geometry"`
	Geometries  []jsonObject    `json:"geometries"`
	Coordinates json.RawMessage `json:"coordinates"`
}

func (o *jsonObject) shapes() (all []Shape, err error) {
	children := slices.Concat(o.Features, o.Geometries)
	if o.Geometry != nil {
		children = append(children, *o.Geometry)
	}
	var polygons [][][][]float64
	switch o.Type {
	case "FeatureCollection", "GeometryCollection", "Feature":
		for i := range children {
			shapes, err := children[i].shapes()
			if err != nil {
				return nil, err
			}
			all = append(all, shapes...)
		}
		return all, nil
	case "Polygon":
		polygons = make([][][][]float64, 1)
		err = json.Unmarshal(o.Coordinates, &polygons[0])
	case "MultiPolygon":
		err = json.Unmarshal(o.Coordinates, &polygons)
	case "":
		return nil, errors.New("not GeoJSON: an object without a type")
	default:
		return nil, fmt.Errorf("a %s is not a Polygon or a MultiPolygon", o.Type)
	}
	if err != nil {
		return nil, fmt.Errorf("the coordinates of a %s: %w", o.Type, err)
	}
	for _, rings := range polygons {
		s, err := newPolygon(rings)
		if err != nil {
			return nil, err
		}
		all = append(all, s)
	}
	return all, nil
}

func newPolygon(rings [][][]float64) (Shape, error) {
	var loops []*s2.Loop
	for i, ring := range rings {
		points, err := ringPoints(ring, i > 0)
		if err != nil {
			return nil, fmt.Errorf("ring %d of a polygon: %w", i, err)
		}
		loops = append(loops, s2.LoopFromPoints(points))
	}
	if len(loops) == 0 {
		return nil, errors.New("a polygon without a ring")
	}
	for i, l := range loops {
		if err := l.Validate(); err != nil {
			return nil, fmt.Errorf("ring %d of a polygon: %w", i, err)
		}
	}
	p := polygon{body: s2.PolygonFromOrientedLoops(loops)}
	index := s2.NewShapeIndex()
	index.Add(p.body)
	p.rim = s2.NewClosestEdgeQuery(index, s2.NewClosestEdgeQueryOptions().IncludeInteriors(false))
	return p, nil
}

// maxStep is the longest edge in degrees of longitude or latitude. An edge of
// GeoJSON is straight on a plain map, one of a sphere is not; short ones are
// the same.
const maxStep = 1.0

// ringPoints turns a ring around, if it must be, so that the inside is at its
// left, divides its long edges, and takes out what has no area: the ways along
// the antimeridian to a pole and back, by which flat maps go round a pole.
func ringPoints(ring [][]float64, hole bool) ([]s2.Point, error) {
	if len(ring) < 4 {
		return nil, errors.New("less than four places")
	}
	area := 0.0
	for i, at := range ring {
		if len(at) < 2 || !(math.Abs(at[0]) <= 540) || !(math.Abs(at[1]) <= 90) {
			return nil, fmt.Errorf("%v is no longitude and latitude", at)
		}
		next := ring[(i+1)%len(ring)]
		if len(next) >= 2 {
			area += at[0]*next[1] - next[0]*at[1]
		}
	}
	if first, last := ring[0], ring[len(ring)-1]; first[0] != last[0] || first[1] != last[1] {
		return nil, errors.New("it does not end where it began")
	}
	ring = slices.Clone(ring[:len(ring)-1])
	if (area < 0) != hole {
		slices.Reverse(ring)
	}
	var points []s2.Point
	for i, at := range ring {
		points = appendEdge(points, at, ring[(i+1)%len(ring)])
	}
	points = withoutSpikes(points)
	if len(points) < 3 {
		return nil, errors.New("it has no area; for all round the earth use a box")
	}
	return points, nil
}

// appendEdge appends the places from a on, without b.
func appendEdge(points []s2.Point, a, b []float64) []s2.Point {
	steps := math.Ceil(max(math.Abs(b[0]-a[0]), math.Abs(b[1]-a[1])) / maxStep)
	for i := range int(max(steps, 1)) {
		part := float64(i) / max(steps, 1)
		lat := a[1] + (b[1]-a[1])*part
		lon := math.Mod(a[0]+(b[0]-a[0])*part+540, 360) - 180 // 180 becomes -180: one place, one point
		if lon < -180 {
			lon += 360
		}
		if math.Abs(lat) == 90 {
			lon = 0
		}
		points = append(points, place{lat, lon}.point())
	}
	return points
}

// withoutSpikes takes out repeated points, and ways that go back on themselves.
func withoutSpikes(ring []s2.Point) []s2.Point {
	for {
		var out []s2.Point
		for _, p := range ring {
			switch n := len(out); {
			case n > 0 && out[n-1] == p:
			case n > 1 && out[n-2] == p:
				out = out[:n-1]
			default:
				out = append(out, p)
			}
		}
		for len(out) > 1 && out[0] == out[len(out)-1] {
			out = out[:len(out)-1]
		}
		// A spike may lie across the point where the ring begins.
		if n := len(out); n > 2 && out[1] == out[n-1] {
			ring = out[1 : n-1]
			continue
		}
		if n := len(out); n > 2 && out[0] == out[n-2] {
			ring = out[:n-2]
			continue
		}
		return out
	}
}

func (p polygon) compare(x *cell) Relation {
	around := x.circle()
	if around.radius >= s1.Angle(math.Pi/2) {
		return Partly
	}
	target := s2.NewMinDistanceToPointTarget(around.centre)
	limit := s1.ChordAngleFromAngle(around.radius)
	if p.rim.IsConservativeDistanceLessOrEqual(target, limit) {
		return Partly
	}
	if p.body.ContainsPoint(around.centre) {
		return Inside
	}
	return Outside
}

func (p polygon) contains(at place) bool { return p.body.ContainsPoint(at.point()) }
