package testwait

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// VerifyTestMain runs the tests of a package and fails them if a goroutine stays that is
// none of the known ones. goleak.VerifyTestMain gives goroutines half a second to end.
func VerifyTestMain(m *testing.M, known ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		err := goleak.Find(known...)
		for end := time.Now().Add(Patience); err != nil && time.Now().Before(end); {
			err = goleak.Find(known...)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}
