package geo

import (
	"strings"

	"moa/nips/event"
	"moa/nips/geohash"
)

// maxPlaces bounds how many places of one event are looked at.
const maxPlaces = 16

// Places are where an event says that it is: geohashes, none of which is a
// prefix of another one.
type Places struct {
	hashes [maxPlaces]string
	n      int

	// Bad is the first value that should be a geohash and is none, "" if all
	// are.
	Bad string
	// More says that there were more places than are kept.
	More bool
}

// List returns the geohashes.
func (p *Places) List() []string { return p.hashes[:p.n] }

// Locate collects an event's places: its `g` tags, `geo:` in `i` and `I` tags
// (NIP-73), and, with mesh, the `r` tags of BitChat's messages and presence. A
// ladder, which is a place at many precisions, is one place: the longest.
func Locate(e *event.Event, mesh bool) (p Places) {
	mesh = mesh && (e.Kind == event.KindGeoChat || e.Kind == event.KindGeoPresence)
	for _, t := range e.Tags {
		if len(t) < 2 {
			continue
		}
		switch t[0] {
		case "g":
			p.add(t[1])
		case "i", "I":
			if hash, ok := strings.CutPrefix(t[1], "geo:"); ok {
				p.add(hash)
			}
		case "r":
			if mesh {
				p.add(t[1])
			}
		}
	}
	return p
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
			return // it is a step of a ladder that has a longer one
		}
		if !strings.HasPrefix(hash, other) {
			p.hashes[kept] = other
			kept++
		}
	}
	if kept == maxPlaces {
		p.More = true
		return
	}
	p.hashes[kept] = hash
	p.n = kept + 1
}
