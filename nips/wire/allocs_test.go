package wire_test

import (
	"testing"

	"moa/nips/reason"
	"moa/nips/wire"
)

func TestAnEventIsReadWithoutAllocation(t *testing.T) {
	frame := []byte(`["EVENT",{"id":"x","content":"y"}]`)
	if n := testing.AllocsPerRun(100, func() {
		if _, err := wire.Parse(frame); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAppendDoesNotAllocate(t *testing.T) {
	dst := make([]byte, 0, 1024)
	raw := []byte(`{"id":"x"}`)
	if n := testing.AllocsPerRun(100, func() {
		dst = wire.AppendEvent(dst[:0], "sub", raw)
		dst = wire.AppendOK(dst, "id", false, reason.Blocked, "a text with \"quotes\"")
		dst = wire.AppendEOSE(dst, "sub", wire.HintFinish)
		dst = wire.AppendClosed(dst, "sub", reason.Invalid, "text")
		dst = wire.AppendNotice(dst, "text")
		dst = wire.AppendAuth(dst, "challenge")
		dst = wire.AppendCount(dst, "sub", 17, true)
		dst = wire.AppendNegMsg(dst, "sub", "61")
		dst = wire.AppendNegErr(dst, "sub", reason.Blocked, "text", 500)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
