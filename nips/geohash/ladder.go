package geohash

import "slices"

// Ladder returns the hash and all its prefixes, coarsest first: what publishers
// tag so that an exact query at any precision finds the event.
func Ladder(hash string) []string {
	out := make([]string, len(hash))
	for i := range hash {
		out[i] = hash[:i+1]
	}
	return out
}

// Collapse returns the places that hashes name, in order and each once: of
// those on one path to a place, the longest alone.
func Collapse(hashes []string) []string {
	sorted := slices.Sorted(slices.Values(hashes))
	var out []string
	for i, h := range sorted {
		// What begins with h stands right after it.
		if i+1 < len(sorted) && Contains(h, sorted[i+1]) {
			continue
		}
		out = append(out, h)
	}
	return out
}
