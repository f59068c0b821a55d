package sig

import (
	"fmt"
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
