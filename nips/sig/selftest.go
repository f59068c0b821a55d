package sig

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
)

// bip340CSV has the test vectors of BIP-340 that have 32-byte messages:
// index, public key, message, signature, verdict, comment.
//
//go:embed bip340.csv
var bip340CSV string

// selfTestRecords is the number of random records of the self-test. btcec
// needs about 0.1 ms for each, once per process.
const selfTestRecords = 256

// testSet is records with the verdicts they must get.
type testSet struct {
	records  []Record
	verdicts []bool
}

func (s *testSet) add(r Record, verdict bool) {
	s.records = append(s.records, r)
	s.verdicts = append(s.verdicts, verdict)
}

// selfTestSet is the BIP-340 vectors, then random records judged by btcec.
var selfTestSet = sync.OnceValues(func() (*testSet, error) {
	s := new(testSet)
	if err := s.addVectors(); err != nil {
		return nil, err
	}
	vectors := len(s.records)
	if err := s.addRandom(selfTestRecords); err != nil {
		return nil, err
	}
	var btcec btcecVerifier
	verdicts := make([]bool, vectors)
	btcec.Verify(s.records[:vectors], verdicts)
	for i, v := range verdicts {
		if v != s.verdicts[i] {
			return nil, fmt.Errorf("%w: btcec disagrees with BIP-340 vector %d", ErrSelfTest, i)
		}
	}
	btcec.Verify(s.records[vectors:], s.verdicts[vectors:])
	return s, nil
})

// selfTest compares v with BIP-340 and with btcec, in batches that take both
// the batch and the single path of v.
func selfTest(v Verifier) error {
	set, err := selfTestSet()
	if err != nil {
		return err
	}
	verdicts := make([]bool, len(set.records))
	single := min(len(verdicts), 32)
	for i := range single {
		v.Verify(set.records[i:i+1], verdicts[i:i+1])
	}
	v.Verify(set.records[single:], verdicts[single:])
	for i, got := range verdicts {
		if got != set.verdicts[i] {
			return fmt.Errorf("%w: record %d of %d: got %t, want %t: %x",
				ErrSelfTest, i, len(verdicts), got, set.verdicts[i], set.records[i])
		}
	}
	return nil
}

// addVectors adds the BIP-340 vectors with their verdicts.
func (s *testSet) addVectors() error {
	for line := range strings.Lines(bip340CSV) {
		f := strings.SplitN(strings.TrimSpace(line), ",", 6)
		var r Record
		for i, field := range [][]byte{r.PubKey[:], r.Msg[:], r.Sig[:]} {
			b, err := hex.DecodeString(f[1+i])
			if err != nil || len(b) != len(field) {
				return fmt.Errorf("%w: BIP-340 vector %s is malformed", ErrSelfTest, f[0])
			}
			copy(field, b)
		}
		s.add(r, f[4] == "TRUE")
	}
	return nil
}

// addRandom adds n signed records, every other one with a flipped bit. The
// caller sets their verdicts. Keys repeat, for signing costs as much as
// verifying.
func (s *testSet) addRandom(n int) error {
	var secret, msg [32]byte
	var r Record
	for i := range n {
		if i%8 == 0 {
			fill(&secret)
			secret[0] &= 0x7f // below the group order
			key, err := PublicKey(secret)
			if err != nil {
				return err
			}
			r.PubKey = key
		}
		var err error
		fill(&msg)
		r.Msg = msg
		if r.Sig, err = SignUnchecked(secret, msg); err != nil {
			return err
		}
		bad := r
		if i%2 == 1 {
			flipBit(&bad, rand.IntN(recordBits))
		}
		s.add(bad, false)
	}
	return nil
}

const recordBits = (32 + 32 + 64) * 8

// flipBit flips one of the record's bits.
func flipBit(r *Record, bit int) {
	mask := byte(1) << (bit % 8)
	switch i := bit / 8; {
	case i < 32:
		r.PubKey[i] ^= mask
	case i < 64:
		r.Msg[i-32] ^= mask
	default:
		r.Sig[i-64] ^= mask
	}
}

// fill fills b with random bytes. They are test data, never secrets.
func fill(b *[32]byte) {
	for i := 0; i < len(b); i += 8 {
		binary.LittleEndian.PutUint64(b[i:], rand.Uint64())
	}
}
