package outbox

import (
	"testing"

	"moa/nips/testwait"
)

func TestMain(m *testing.M) { testwait.VerifyTestMain(m) }
