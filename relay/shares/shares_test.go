package shares

import "testing"

// One address has no more than its share, and all have no more than there is. A
// free account has no share.
func TestAnAccountHasAShare(t *testing.T) {
	l := NewLedger(nil)
	l.SetBounds(&Bounds{Syncs: {Most: 10, Share: 4}})
	a, b, free := l.NewAccount(false), l.NewAccount(false), l.NewAccount(true)
	for i, c := range []struct {
		of   *Account
		n    int
		want Scope
	}{{a, 4, Within}, {a, 1, Address}, {b, 3, Within}, {free, 4, All}, {free, 3, Within}, {b, 1, All}} {
		if got := c.of.Take(Syncs, c.n); got != c.want {
			t.Errorf("step %d: %q, want %q", i, got, c.want)
		}
	}
	a.Give(Syncs, 4)
	if a.Held(Syncs) != 0 || b.Held(Syncs) != 3 || l.Held(Syncs) != 6 {
		t.Errorf("held: %d and %d, %d in all", a.Held(Syncs), b.Held(Syncs), l.Held(Syncs))
	}
	if b.Beyond(Syncs, 1) != Within || b.Beyond(Syncs, 2) != Address || free.Beyond(Syncs, 2) != All {
		t.Error("what would be beyond")
	}
}
