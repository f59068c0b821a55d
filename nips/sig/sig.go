// Package sig verifies BIP-340 Schnorr signatures over 32-byte messages, one
// or a batch at a time. Every record of a batch gets its own verdict: nothing
// is combined, so that one forged signature neither hides among others nor
// slows them down.
//
// There are four verifiers. "ifma" computes eight records at once in the
// lanes of AVX-512 IFMA registers; "adx" is scalar code with MULX/ADCX/ADOX
// assembly; "go" is the same in pure Go; "btcec" is the library that the
// others are measured against, and the only one that signs.
//
// The package does not parse events and does not decide how batches are
// gathered.
package sig

import "fmt"

// Record is one signature to verify.
type Record struct {
	PubKey [32]byte // x coordinate, big endian (BIP-340 bytes(P))
	Msg    [32]byte // the message; of a Nostr event, its id
	Sig    [64]byte // bytes(R) || bytes(s)
}

// Verifier gives every record of a batch its own verdict.
type Verifier interface {
	// Name is one of the names that New takes.
	Name() string
	// Verify sets verdicts[i] to whether batch[i] is valid, for every i. It
	// panics if verdicts is shorter than batch. It is safe for concurrent use
	// and, but for btcec, does not allocate.
	Verify(batch []Record, verdicts []bool)
}

// The names of the verifiers, fastest first.
const (
	IFMA  = "ifma"
	ADX   = "adx"
	Go    = "go"
	Btcec = "btcec"
)

// Auto is the name that asks for the best verifier.
const Auto = "auto"

// candidate makes a verifier, or says why this CPU or build has none.
type candidate struct {
	name string
	open func() (Verifier, error)
}

// Refusal says why a faster verifier was passed over.
type Refusal struct {
	Name string
	Err  error // wraps ErrUnsupported or ErrSelfTest
}

// Choice is a verifier that passed its self-test.
type Choice struct {
	Verifier Verifier
	// Refused has the faster verifiers that were tried and passed over. One
	// that failed its self-test is a fault of the machine or of this package
	// and should be logged as an error.
	Refused []Refusal

	// next are the verifiers to fall back to, best first; btcec ends them. It is
	// empty for btcec itself.
	next []candidate
}

// New returns the verifier of that name; "" or Auto asks for the best one. It
// is Choose without the report.
func New(name string) (Verifier, error) {
	c, err := Choose(name)
	return c.Verifier, err
}

// Choose returns the verifier of that name after its self-test. For "" or Auto
// it returns the fastest that the CPU supports and that passes; Refused then
// says what was passed over. A named verifier is returned or refused with an
// error that wraps ErrUnsupported, ErrSelfTest or ErrUnknown.
func Choose(name string) (Choice, error) {
	if name == "" || name == Auto {
		return best(automatic())
	}
	for i, c := range candidates {
		if c.name != name {
			continue
		}
		v, err := c.tested()
		if err != nil {
			return Choice{}, fmt.Errorf("sig: verifier %s: %w", name, err)
		}
		return Choice{Verifier: v, next: candidates[i+1:]}, nil
	}
	return Choice{}, fmt.Errorf("%w %q (have %s)", ErrUnknown, name, Names())
}

// Names returns the names that New takes, besides "" and Auto, fastest first.
func Names() []string {
	names := make([]string, len(candidates))
	for i, c := range candidates {
		names[i] = c.name
	}
	return names
}

// best returns the first of cs that opens and passes its self-test.
func best(cs []candidate) (Choice, error) {
	var refused []Refusal
	for i, c := range cs {
		v, err := c.tested()
		if err == nil {
			return Choice{Verifier: v, next: cs[i+1:], Refused: refused}, nil
		}
		refused = append(refused, Refusal{c.name, err})
	}
	return Choice{Refused: refused}, fmt.Errorf("sig: no verifier passed its self-test: %w", refused[len(refused)-1].Err)
}

// automatic returns the candidates that Auto may take: all of them from the
// one that the build forces.
func automatic() []candidate {
	for i, c := range candidates {
		if c.name == forced {
			return candidates[i:]
		}
	}
	return candidates
}

// tested opens the verifier and runs its self-test. btcec needs none: making
// the test tests it.
func (c candidate) tested() (Verifier, error) {
	v, err := c.open()
	if err != nil || c.name == Btcec {
		return v, err
	}
	if err := selfTest(v); err != nil {
		return nil, err
	}
	return v, nil
}
