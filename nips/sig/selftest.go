package sig

import (
	_ "embed"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
)

// bip340CSV has the test vectors of BIP-340 that have 32-byte messages:
// index, public key, message, signature, verdict, comment.
//
//go:embed bip340.csv
var bip340CSV string

// The self-test signs so many records with btcec, and flips a bit in so many
// copies of each. btcec needs tens of milliseconds for them, once per process.
const (
	selfTestSigned = 48
	selfTestCopies = 3
)

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
	if err := s.addRandom(); err != nil {
		return nil, err
	}
	btcec := make([]bool, len(s.records))
	verifyParallel(btcecVerifier{}, s.records, btcec)
	for i, known := range s.verdicts {
		if btcec[i] != known {
			return nil, fmt.Errorf("%w: btcec itself is wrong about record %d: %x", ErrSelfTest, i, s.records[i])
		}
	}
	return s, nil
})

// verifyParallel is v.Verify on all processors.
func verifyParallel(v Verifier, batch []Record, verdicts []bool) {
	size := len(batch)/runtime.GOMAXPROCS(0) + 1
	var wg sync.WaitGroup
	for start := 0; start < len(batch); start += size {
		end := min(start+size, len(batch))
		wg.Go(func() { v.Verify(batch[start:end], verdicts[start:end]) })
	}
	wg.Wait()
}

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

// addRandom adds records that btcec signs, and copies of them with one bit
// flipped, which makes them invalid.
func (s *testSet) addRandom() error {
	for range selfTestSigned {
		var secret [32]byte
		var r Record
		fill(&secret)
		secret[0] &= 0x7f // below the group order
		fill(&r.Msg)
		var err error
		if r.PubKey, err = PublicKey(secret); err != nil {
			return err
		}
		if r.Sig, err = SignUnchecked(secret, r.Msg); err != nil {
			return err
		}
		s.add(r, true)
		for range selfTestCopies {
			bad := r
			flipBit(&bad, rand.IntN(recordBits))
			s.add(bad, false)
		}
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
