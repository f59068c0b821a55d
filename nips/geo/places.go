package geo

import (
	"strings"

	"moa/nips/event"
	"moa/nips/geohash"
)

// MaxPlaces is how many places of one event are looked at.
const MaxPlaces = 16

// Places are where an event says that it is: geohashes, none of which is a
// prefix of another one.
type Places struct {
	hashes [MaxPlaces]string
	n      int

	// Bad is the first value that should be a geohash and is not, "" if all are.
	Bad string
	// More says that there were more places than are kept.
	More bool
}

// List returns the geohashes.
func (p *Places) List() []string { return p.hashes[:p.n] }

// labelSpace is the namespace of labels that stand for `g` tags (NIP-32).
const labelSpace = "#g"

// Locate collects an event's places: its `g` tags, `geo:` in `i` and `I` tags
// (NIP-73), labels of the namespace `#g` (NIP-32), and, with mesh, the `r` tags
// of BitChat's messages and presence. A ladder, which is a place at many
// precisions, is one place: the longest.
func Locate(e *event.Event, mesh bool) (p Places) {
	mesh = mesh && (e.Kind == event.KindGeoChat || e.Kind == event.KindGeoPresence)
	asked, labelled := false, false
	for _, t := range e.Tags {
		if len(t) < 2 {
			continue
		}
		switch t[0] {
		case "g":
			if len(t) < 3 || !otherThanHash(t[2]) {
				p.add(t[1])
			}
		case "i", "I":
			if hash, ok := strings.CutPrefix(t[1], "geo:"); ok {
				p.add(hash)
			}
		case "l":
			if len(t) < 3 || t[2] != labelSpace {
				continue
			}
			if !asked {
				asked, labelled = true, labels(e, labelSpace)
			}
			if labelled {
				p.add(t[1])
			}
		case "r":
			if mesh {
				p.add(t[1])
			}
		}
	}
	return p
}

// labels reports whether the event announces labels of that namespace, as NIP-32
// requires.
func labels(e *event.Event, space string) bool {
	for _, t := range e.Tags {
		if len(t) > 1 && t[0] == "L" && t[1] == space {
			return true
		}
	}
	return false
}

// otherThanHash reports whether the third element of a `g` tag says that the second
// is not a geohash, though a country code or a latitude may look like one.
// nostr-geotags wrote such tags (its README of v0.0.8), and with it monitors of
// relays.
func otherThanHash(what string) bool {
	switch what {
	case "countryCode", "countryName", "country", "regionCode", "regionName", "region", "cityName", "city",
		"continentCode", "continentName", "continent", "planetName", "planet", "lat", "lon", "dd":
		return true
	}
	return false
}

func (p *Places) add(hash string) {
	if !geohash.Valid(hash) {
		// Upper case is wrong, but not misleading.
		if hash = strings.ToLower(hash); !geohash.Valid(hash) {
			if p.Bad == "" {
				p.Bad = hash
			}
			return
		}
	}
	kept := 0
	for _, other := range p.hashes[:p.n] {
		if strings.HasPrefix(other, hash) {
			return // it is a step of a ladder with a longer one
		}
		if !strings.HasPrefix(hash, other) {
			p.hashes[kept] = other
			kept++
		}
	}
	if kept == MaxPlaces {
		p.More = true
		return
	}
	p.hashes[kept] = hash
	p.n = kept + 1
}
