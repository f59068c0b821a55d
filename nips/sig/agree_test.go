package sig

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// The environment variable MOA_SIG_RECORDS sets the number of records; then they
// are others in every run.
func TestVerifiersAgreeWithBtcecOnBentRecords(t *testing.T) {
	n, source := 800, rand.NewPCG(41, 42)
	if many, err := strconv.Atoi(os.Getenv("MOA_SIG_RECORDS")); err == nil {
		n, source = max(n, many), rand.NewPCG(rand.Uint64(), rand.Uint64())
	}
	records, shapes := bentRecords(rand.New(source), n)
	want := make([]bool, len(records))
	btcecVerifier{}.Verify(records, want)
	valid := map[shape]int{}
	for i, v := range want {
		if v {
			valid[shapes[i]]++
		}
	}
	if valid[honest] < 50 || valid[infiniteR]+valid[doubledR]+valid[oddR]+valid[flipped] > 0 {
		t.Fatalf("valid by shape: %v: the records are not what they should be", valid)
	}
	forEach(t, func(t *testing.T, v Verifier) {
		// Batches of all sizes from 1 to 40.
		got := make([]bool, len(records))
		for i, size := 0, 1; i < len(records); i, size = i+size, size%40+1 {
			end := min(i+size, len(records))
			v.Verify(records[i:end], got[i:])
		}
		for i := range got {
			if got[i] != want[i] {
				t.Errorf("record %d, shape %d: %t, btcec says %t: %x", i, shapes[i], got[i], want[i], records[i])
			}
		}
	})
}

func TestEveryBitCounts(t *testing.T) {
	r := signed(t, 1)[0]
	forEach(t, func(t *testing.T, v Verifier) {
		if v.Name() == Btcec {
			t.Skip("the bits are flipped for the verifiers that are ours")
		}
		records := make([]Record, 0, recordBits+1)
		for bit := range recordBits {
			flippedRecord := r
			flipBit(&flippedRecord, bit)
			records = append(records, flippedRecord)
		}
		records = append(records, r)
		got := make([]bool, len(records))
		v.Verify(records, got)
		for bit, valid := range got[:recordBits] {
			if valid {
				t.Errorf("valid with bit %d flipped", bit)
			}
		}
		if !got[recordBits] {
			t.Error("the record itself is refused")
		}
	})
}

func TestEveryRecordHasItsOwnVerdict(t *testing.T) {
	forEach(t, func(t *testing.T, v Verifier) {
		for _, n := range []int{1, 2, 7, 8, 9, 15, 16, 17, 18, 33} {
			records := signed(t, n)
			got := make([]bool, n+1)
			for bad := range n {
				flipBit(&records[bad], 700)
				got[n] = true
				v.Verify(records, got)
				flipBit(&records[bad], 700)
				for i := range n {
					if got[i] != (i != bad) {
						t.Fatalf("%d records, number %d bad: number %d is %t", n, bad, i, got[i])
					}
				}
				if !got[n] {
					t.Fatalf("%d records: a verdict beyond the batch was written", n)
				}
				if v.Name() == Btcec {
					break // slow, and not ours
				}
			}
		}
		v.Verify(nil, nil)
	})
}

func TestVerifyIsSafeForConcurrentUse(t *testing.T) {
	records, _ := bentRecords(rand.New(rand.NewPCG(43, 44)), 64)
	want := make([]bool, len(records))
	btcecVerifier{}.Verify(records, want)
	forEach(t, func(t *testing.T, v Verifier) {
		t.Parallel()
		t.Run("goroutine", func(t *testing.T) {
			for range 4 {
				t.Run("", func(t *testing.T) {
					t.Parallel()
					got := make([]bool, len(records))
					for n := 1; n <= len(records); n *= 2 {
						v.Verify(records[len(records)-n:], got)
						for i := range n {
							if got[i] != want[len(records)-n+i] {
								t.Fatalf("record %d of the last %d: %t", i, n, got[i])
							}
						}
					}
				})
			}
		})
	})
}

func TestVerifyDoesNotAllocate(t *testing.T) {
	records, _ := bentRecords(rand.New(rand.NewPCG(45, 46)), 40)
	verdicts := make([]bool, len(records))
	forEach(t, func(t *testing.T, v Verifier) {
		if v.Name() == Btcec {
			t.Skip("btcec allocates")
		}
		for _, n := range []int{1, 2, 16, 40} {
			if a := testing.AllocsPerRun(5, func() { v.Verify(records[:n], verdicts) }); a != 0 {
				t.Errorf("%v allocations for a batch of %d", a, n)
			}
		}
	})
}

// What any verifier says of a record, alone or anywhere in a batch, btcec says.
func FuzzVerifiersAgreeWithBtcec(f *testing.F) {
	for how := range shapeCount {
		f.Add(uint8(how), uint16(how), []byte{1}, []byte{2}, []byte("message"))
		f.Add(uint8(how), uint16(513), []byte("a longer secret"), []byte("nonce"), []byte{})
	}
	var verifiers []Verifier
	for _, name := range Names() {
		if v, err := New(name); err == nil && name != Btcec {
			verifiers = append(verifiers, v)
		}
	}
	fillers, _ := bentRecords(rand.New(rand.NewPCG(47, 48)), 16)
	f.Fuzz(func(t *testing.T, how uint8, pick uint16, secret, nonce, msg []byte) {
		r := bent(shape(how)%shapeCount, number(secret), number(nonce), number(msg), int(pick))
		want := verifyBtcec(&r)
		batch := append([]Record(nil), fillers[:1+int(pick)%len(fillers)]...)
		at := int(how) % len(batch)
		batch[at] = r
		got := make([]bool, len(batch))
		for _, v := range verifiers {
			v.Verify(batch, got)
			inBatch := got[at]
			v.Verify(batch[at:at+1], got)
			if inBatch != want || got[0] != want {
				t.Fatalf("%s: %t in a batch of %d, %t alone, btcec says %t: %x", v.Name(), inBatch, len(batch), got[0], want, r)
			}
		}
	})
}

// number returns up to 32 bytes as a big-endian number that is not 0.
func number(b []byte) (n [32]byte) {
	b = b[:min(len(b), len(n))]
	copy(n[len(n)-len(b):], b)
	if n == [32]byte{} {
		n[31] = 1
	}
	return n
}
