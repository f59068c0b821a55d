package badgerstore

import (
	"bytes"

	"moa/nips/geohash"
)

// A region (event.TagFilter) is found by keys of its own, for the keys of the
// geohashes in it are not in the order of their tails: of every geohash the
// prefixes of regionLengths are listed. Others are put together from those,
// or are part of one.
var regionLengths = [...]int{2, 4}

// classRegion and its length is the class of a region in a key.
const classRegion = 0x80

// regionWidth is how many values a region is as good as, to the planner.
const regionWidth = 32

// isGeohash reports an entry that is a geohash in a `g` tag.
func isGeohash(entry []byte) bool {
	return entry[0] == 'g' && entry[1] <= geohash.MaxLen && geohash.Valid(string(entry[2:]))
}

// regionKeys calls with once for each different region that the event is in.
func (v value) regionKeys(with func(prefix ...byte)) {
	var seen map[[4]byte]struct{}
	for entry := range v.eachEntry {
		if !isGeohash(entry) {
			continue
		}
		for _, n := range regionLengths {
			if len(entry) < 2+n {
				continue
			}
			var region [4]byte
			copy(region[:], entry[2:2+n])
			if _, ok := seen[region]; ok {
				continue
			}
			if seen == nil {
				seen = map[[4]byte]struct{}{}
			}
			seen[region] = struct{}{}
			with(append([]byte{keyTag, 'g', classRegion | byte(n)}, region[:n]...)...)
		}
	}
}

// regions plans the lists of regions, which are sorted. It reports whether what
// they list is in the regions for certain.
func (p *plan) regions(regions []string) (exact bool) {
	exact = true
	list := func(region string) {
		key := append([]byte{keyTag, 'g', classRegion | byte(len(region))}, region...)
		if n := len(p.lists); n == 0 || !bytes.Equal(p.lists[n-1], key) {
			p.lists = append(p.lists, key)
		}
	}
	for _, r := range regions {
		switch {
		case len(r) == 2 || len(r) == 4:
			list(r)
		case len(r) > 4:
			list(r[:4])
			exact = false
		case len(r) == 3 && len(regions) > maxDivided:
			list(r[:2])
			exact = false
		default: // the cell itself, and those that it is divided into
			p.lists = append(p.lists, tagPrefix(appendEntry(nil, 'g', r)))
			for _, c := range geohash.Alphabet {
				list(r + string(c))
			}
		}
	}
	return exact
}

// maxDivided is up to how many regions are divided: each takes 33 lists.
const maxDivided = 32
