package relay

import (
	"net/netip"
	"testing"
	"time"
)

// What it costs to remember one network does not grow with how many there are, and
// those that are whole again are forgotten all the same.
func TestAllowancesAreKeptAtABoundedCost(t *testing.T) {
	const many = 20_000
	var from map[netip.Addr]allowance
	most := 0
	add := func(i int, full, now time.Time) {
		looked := 0
		keep(&from, netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), allowance(full), func(a allowance) bool {
			looked++
			return a.full(now)
		})
		most = max(most, looked)
	}
	start := time.Unix(1_800_000_000, 0)
	for i := range many {
		add(i, start.Add(time.Minute), start)
	}
	if len(from) != many {
		t.Errorf("%d of %d networks are remembered", len(from), many)
	}
	later := start.Add(time.Hour) // all are whole
	for i := range many {
		add(many+i, later.Add(time.Minute), later)
	}
	if len(from) > many+many/2 {
		t.Errorf("%d networks are remembered, of which %d are not whole", len(from), many)
	}
	for i := range 1 << 17 { // and of these none ever is
		add(2*many+i, later.Add(time.Hour), later)
	}
	if len(from) > 1<<16 {
		t.Errorf("%d networks are remembered", len(from))
	}
	if most > 8 {
		t.Errorf("%d networks were looked at for one", most)
	}
}
