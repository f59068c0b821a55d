package sig

import (
	"fmt"
	"slices"
	"testing"
)

// signed returns n valid records by n keys.
func signed(tb testing.TB, n int) []Record {
	tb.Helper()
	records := make([]Record, n)
	for i := range records {
		secret := [32]byte{0: 1, 30: byte(i >> 8), 31: byte(i)}
		r := &records[i]
		r.Msg = [32]byte{byte(i), byte(i >> 8), 5}
		var err error
		if r.PubKey, err = PublicKey(secret); err != nil {
			tb.Fatal(err)
		}
		if r.Sig, err = SignUnchecked(secret, r.Msg); err != nil {
			tb.Fatal(err)
		}
	}
	return records
}

// BenchmarkVerify reports ns/record, the time of one verification, by
// verifier and batch size.
func BenchmarkVerify(b *testing.B) {
	records := signed(b, 256)
	verdicts := make([]bool, len(records))
	for _, name := range Names() {
		for _, n := range []int{1, 2, 4, 8, 16, 64, 256} {
			b.Run(fmt.Sprintf("%s/%d", name, n), func(b *testing.B) {
				v := open(b, name)
				b.ReportAllocs()
				for b.Loop() {
					v.Verify(records[:n], verdicts)
				}
				perRecord(b, n)
			})
		}
	}
}

// perRecord reports the time of one record of a batch of n.
func perRecord(b *testing.B, n int) {
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
}

// BenchmarkAttack reports ns/record for batches of 16 that someone made to be
// slow: "infinite" has an infinite R, "doubled" equal sG and -eP, "zero" s = 0.
// These are the sums that incomplete addition formulas do not cover.
func BenchmarkAttack(b *testing.B) {
	const n = 16
	valid := signed(b, n)
	oneInvalid, allInvalid := slices.Clone(valid), slices.Clone(valid)
	flipBit(&oneInvalid[5], 700)
	for i := range allInvalid {
		flipBit(&allInvalid[i], 700)
	}
	var infinite, doubled, zero [n]Record
	for i := range n {
		secret, msg := [32]byte{0: 2, 31: byte(i)}, [32]byte{byte(i)}
		infinite[i] = bent(infiniteR, secret, [32]byte{0: 3, 31: byte(i)}, msg, 0)
		doubled[i] = bent(doubledR, secret, [32]byte{0: 3, 31: byte(i)}, msg, 0)
		zero[i] = bent(tinyS, secret, [32]byte{0: 3, 31: byte(i)}, msg, 0)
	}
	verdicts := make([]bool, n)
	for _, name := range Names() {
		for _, attack := range []struct {
			name    string
			records []Record
		}{
			{"valid", valid},
			{"one invalid", oneInvalid},
			{"all invalid", allInvalid},
			{"all infinite", infinite[:]},
			{"all doubled", doubled[:]},
			{"all zero", zero[:]},
		} {
			b.Run(name+"/"+attack.name, func(b *testing.B) {
				v := open(b, name)
				for b.Loop() {
					v.Verify(attack.records, verdicts)
				}
				perRecord(b, n)
			})
		}
	}
}
