package sig

import (
	"errors"
	"testing"
)

// open returns the named verifier, or skips the test visibly where the CPU or
// the build has none.
func open(tb testing.TB, name string) Verifier {
	tb.Helper()
	v, err := New(name)
	if errors.Is(err, ErrUnsupported) {
		tb.Skipf("SKIPPED: verifier %s: %v", name, err)
	}
	if err != nil {
		tb.Fatal(err)
	}
	return v
}

// forEach runs f for every verifier as a subtest of its own.
func forEach(t *testing.T, f func(t *testing.T, v Verifier)) {
	for _, name := range Names() {
		t.Run(name, func(t *testing.T) { f(t, open(t, name)) })
	}
}

func TestNewTakesNames(t *testing.T) {
	for _, name := range append(Names(), "", Auto) {
		v, err := New(name)
		if errors.Is(err, ErrUnsupported) {
			continue
		}
		if err != nil {
			t.Fatalf("New(%q): %v", name, err)
		}
		if name != "" && name != Auto && v.Name() != name {
			t.Errorf("New(%q) gave %q", name, v.Name())
		}
	}
	if v, err := New(Auto); err != nil || forced != "" && v.Name() != forced {
		t.Errorf("New(Auto) = %v, %v in a build that forces %q", v, err, forced)
	}
	if _, err := New("openssl"); !errors.Is(err, ErrUnknown) {
		t.Errorf("New of an unknown name: %v, want ErrUnknown", err)
	}
}

// broken gives the wrong verdict from the n-th record on.
type broken struct {
	Verifier
	name string
	left *int
}

func (b broken) Name() string { return b.name }

func (b broken) Verify(batch []Record, verdicts []bool) {
	b.Verifier.Verify(batch, verdicts)
	for i := range batch {
		if *b.left--; *b.left < 0 {
			verdicts[i] = !verdicts[i]
		}
	}
}

func brokenAfter(name string, n int) candidate {
	return candidate{name, func() (Verifier, error) { return broken{btcecVerifier{}, name, &n}, nil }}
}

func TestAutoFallsPastAVerifierThatFailsItsSelfTest(t *testing.T) {
	missing := candidate{"missing", func() (Verifier, error) { return nil, ErrUnsupported }}
	c, err := best(append([]candidate{missing, brokenAfter("broken", 200)}, candidates...))
	if err != nil {
		t.Fatal(err)
	}
	if c.Verifier.Name() == "broken" {
		t.Fatal("a verifier that fails its self-test was chosen")
	}
	if len(c.Refused) < 2 || !errors.Is(c.Refused[0].Err, ErrUnsupported) || !errors.Is(c.Refused[1].Err, ErrSelfTest) {
		t.Fatalf("Refused = %v, want missing for the CPU and broken for its self-test", c.Refused)
	}
	if _, err := best([]candidate{brokenAfter("broken", 0)}); !errors.Is(err, ErrSelfTest) {
		t.Fatalf("only a broken verifier: %v, want ErrSelfTest", err)
	}
}

func TestBIP340Vectors(t *testing.T) {
	forEach(t, func(t *testing.T, v Verifier) {
		set := new(testSet)
		if err := set.addVectors(); err != nil {
			t.Fatal(err)
		}
		if len(set.records) != 15 {
			t.Fatalf("%d vectors, want 15", len(set.records))
		}
		got := make([]bool, len(set.records))
		v.Verify(set.records, got)
		one := make([]bool, 1)
		for i, want := range set.verdicts {
			v.Verify(set.records[i:i+1], one)
			if got[i] != want || one[0] != want {
				t.Errorf("vector %d: %t in a batch, %t alone, want %t", i, got[i], one[0], want)
			}
		}
	})
}

func TestSignedVerifies(t *testing.T) {
	v := open(t, Auto)
	r := Record{Msg: [32]byte{1, 2, 3}}
	secret := [32]byte{31: 7}
	var err error
	if r.PubKey, err = PublicKey(secret); err != nil {
		t.Fatal(err)
	}
	for _, sign := range []func(secret, msg [32]byte) ([64]byte, error){Sign, SignUnchecked} {
		if r.Sig, err = sign(secret, r.Msg); err != nil {
			t.Fatal(err)
		}
		verdict := []bool{false}
		if v.Verify([]Record{r}, verdict); !verdict[0] {
			t.Error("a fresh signature is refused")
		}
	}
	for _, bad := range [][32]byte{{}, groupOrder} {
		if _, err := Sign(bad, r.Msg); !errors.Is(err, ErrSecret) {
			t.Errorf("Sign with %x: %v, want ErrSecret", bad, err)
		}
	}
}
