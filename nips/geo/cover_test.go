package geo

import (
	"math/rand/v2"
	"testing"

	"moa/nips/geohash"
)

func TestACoverHoldsItsShape(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n, s := range []Shape{
		must(Circle(52.52, 13.4, 30)), must(Circle(52.52, 13.4, 0.05)), must(Circle(89.9, 0, 500)), must(Circle(-17, 179.9, 300)), must(Circle(0, 0, 20_000)),
		must(Box(52.3, 13, 52.7, 13.8)), must(Box(-20, 170, -10, -170)), must(Box(-90, -180, 90, 180)), must(Box(60, 20, 90, 21)), must(Box(0, 0, 0.5, 90)),
		must(Prefix("u33dc1")), must(Prefix("u")),
	} {
		cover := Cover(s, 48)
		if len(cover) == 0 || len(cover) > 48 {
			t.Fatalf("shape %d: %d cells", n, len(cover))
		}
		for i, a := range cover {
			for _, b := range cover[i+1:] {
				if geohash.Contains(a, b) || geohash.Contains(b, a) {
					t.Errorf("shape %d: %s and %s", n, a, b)
				}
			}
		}
		inside := 0
		for range 200_000 {
			p := place{rnd.Float64()*180 - 90, rnd.Float64()*360 - 180}
			if box, _ := geohash.Decode(cover[rnd.IntN(len(cover))]); rnd.IntN(4) > 0 { // in it, or close
				p = place{box.South + (rnd.Float64()*3-1)*(box.North-box.South), box.West + (rnd.Float64()*3-1)*(box.East-box.West)}
			}
			if p.lat < -90 || p.lat > 90 || p.lon < -180 || p.lon >= 180 || !s.contains(p) {
				continue
			}
			inside++
			hash := geohash.Encode(p.lat, p.lon, geohash.MaxLen)
			if !within(cover, hash) {
				t.Fatalf("shape %d: %v is not covered by %v", n, p, cover)
			}
		}
		if inside < 1000 {
			t.Errorf("shape %d: only %d places were tried", n, inside)
		}
	}
}

func within(cover []string, hash string) bool {
	for _, c := range cover {
		if geohash.Contains(c, hash) {
			return true
		}
	}
	return false
}

func BenchmarkCover(b *testing.B) {
	s := must(Circle(52.52, 13.4, 30))
	b.ReportAllocs()
	for b.Loop() {
		Cover(s, 48)
	}
}
