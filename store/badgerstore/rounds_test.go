package badgerstore

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
)

// rounds is how often a test does what it does at random: as often as the environment
// says by that name, or else usual. 1,000 kills and 200 power losses, for example:
//
//	MOA_CRASH_KILLS=1000 go test ./store/badgerstore -run 'TestCrash|TestKill' -timeout 2h
//	MOA_POWER_LOSSES=200 go test ./store/badgerstore -run TestPowerLoss -timeout 2h
func rounds(t *testing.T, name string, usual int) int {
	t.Helper()
	v := os.Getenv(name)
	if v == "" {
		return usual
	}
	n, err := strconv.Atoi(v)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// seedOf is another one in each run, or the one that MOA_SEED says. It is printed.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64()
	if v := os.Getenv("MOA_SEED"); v != "" {
		var err error
		if seed, err = strconv.ParseUint(v, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("MOA_SEED=%d", seed)
	return seed
}
