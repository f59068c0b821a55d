package corpus

import (
	"crypto/sha256"
	"runtime"
	"sync"

	secp "github.com/decred/dcrd/dcrec/secp256k1/v4"

	"moa/nips/event"
)

// challengeTag is what every BIP-340 challenge hash starts with, twice.
var challengeTag = sha256.Sum256([]byte("BIP0340/challenge"))

// sign makes the BIP-340 signature of a 32-byte message.
func sign(author, nonce *key, msg [32]byte) (sig [64]byte) {
	var in [160]byte
	copy(in[0:], challengeTag[:])
	copy(in[32:], challengeTag[:])
	copy(in[64:], nonce.x[:])
	copy(in[96:], author.x[:])
	copy(in[128:], msg[:])
	hash := sha256.Sum256(in[:])

	var s secp.ModNScalar
	s.SetBytes(&hash)
	s.Mul(&author.scalar).Add(&nonce.scalar)
	copy(sig[:32], nonce.x[:])
	s.PutBytesUnchecked(sig[32:])
	return sig
}

// draft is an event that is composed but not signed.
type draft struct {
	event.Event
	author key
}

// finish gives the draft its signature and its bytes.
func (d *draft) finish(nonces *chain) *event.Event {
	nonce := nonces.next()
	d.Sig = sign(&d.author, &nonce, d.ID)
	e, err := event.ParseTrusted(d.Append(make([]byte, 0, len(d.Content)+512)))
	if err != nil {
		panic("corpus: composed an event that does not parse: " + err.Error())
	}
	return e
}

// signAll signs the drafts on all cores. The result depends on seed and block
// only, not on the number of cores.
func signAll(seed, block uint64, drafts []draft) []*event.Event {
	out := make([]*event.Event, len(drafts))
	const share = 256
	var wg sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for from := 0; from < len(drafts); from += share {
		slots <- struct{}{}
		wg.Go(func() {
			defer func() { <-slots }()
			nonces := newChain(seed, "nonce", block<<32|uint64(from))
			for i := from; i < min(from+share, len(drafts)); i++ {
				out[i] = drafts[i].finish(nonces)
			}
		})
	}
	wg.Wait()
	return out
}

// Signer signs events for generated people after the corpus was made. It may
// be used by one goroutine at a time.
type Signer struct {
	corpus *Corpus
	nonces *chain
}

// Signer returns a signer; number keeps the nonces of several apart.
func (c *Corpus) Signer(number uint64) *Signer {
	return &Signer{c, newChain(c.Config.Seed, "signer", number)}
}

// Sign completes the event: author, id, signature and bytes. The corpus must
// be a generated one.
func (s *Signer) Sign(person int, e event.Event) *event.Event {
	d := draft{Event: e, author: s.corpus.People[person].key}
	d.PubKey = d.author.x
	d.ID = event.ComputeID(&d.Event)
	return d.finish(s.nonces)
}
