package badgerstore_test

import (
	"fmt"
	"os"
	"strconv"
	"testing"

	"moa/store/badgerstore"
	"moa/store/storetest"
)

// benchEvents is how many events scans are measured over:
// MOA_BENCH_EVENTS, or 100,000.
func benchEvents(b *testing.B) int {
	if v := os.Getenv("MOA_BENCH_EVENTS"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil {
			b.Fatal(err)
		}
		return n
	}
	return 100_000
}

func benchStore(b *testing.B, o badgerstore.Options) *badgerstore.Store {
	o.Dir = b.TempDir()
	s, err := badgerstore.Open(o)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })
	return s
}

func BenchmarkCommit(b *testing.B) {
	for _, size := range []int{1, 16, 256} {
		b.Run(fmt.Sprintf("batch=%d", size), func(b *testing.B) {
			storetest.BenchmarkCommit(b, benchStore(b, badgerstore.Options{}), size)
		})
	}
}

func BenchmarkScan(b *testing.B) {
	for _, hot := range []int{-1, 64, 512} {
		b.Run(fmt.Sprintf("hot=%d", hot), func(b *testing.B) {
			s := benchStore(b, badgerstore.Options{HotMB: hot, NoSync: true})
			c := storetest.Fill(b, s, benchEvents(b))
			for _, w := range storetest.Workloads {
				b.Run(w.Name, func(b *testing.B) { storetest.BenchmarkScan(b, s, c, w) })
			}
		})
	}
}
