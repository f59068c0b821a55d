package corpus

import (
	"math/rand/v2"
)

// network is who writes how much and who follows whom: both are skewed, a few
// are read and write a lot, most hardly.
type network struct {
	seed    uint64
	authors int
}

// rng returns a source of its own for every purpose, so that one does not
// shift another.
func (n *network) rng(purpose, number uint64) *rand.Rand {
	return rand.New(rand.NewPCG(n.seed^purpose<<56, number))
}

const (
	purposeCompose = 1 + iota
	purposeFollows
)

// writer draws an author: the busiest tenth writes about three quarters.
func (n *network) writer(r *rand.Rand) *rand.Zipf {
	return rand.NewZipf(r, 1.3, max(1, float64(n.authors)/40), uint64(n.authors-1))
}

// follows returns the numbers of the authors that one follows, the popular
// ones with preference, each once.
func (n *network) follows(person int) []int {
	r := n.rng(purposeFollows, uint64(person))
	want := min(around(r, 80, 1.1, 1000), n.authors*2/3)
	popular := rand.NewZipf(r, 1.2, max(1, float64(n.authors)/20), uint64(n.authors-1))
	seen := make(map[int]bool, want)
	out := make([]int, 0, want)
	for tries := 0; len(out) < want && tries < 4*want; tries++ {
		p := int(popular.Uint64())
		if r.IntN(3) == 0 {
			p = r.IntN(n.authors)
		}
		if p != person && !seen[p] {
			seen[p] = true
			out = append(out, p)
		}
	}
	return out
}
