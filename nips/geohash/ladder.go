package geohash

// Ladder returns the hash and all its prefixes, coarsest first. An event that is
// tagged with all of them is found by an exact filter at any precision.
func Ladder(hash string) []string {
	out := make([]string, len(hash))
	for i := range hash {
		out[i] = hash[:i+1]
	}
	return out
}
