package sig

import "moa/nips/sig/internal/secp"

// scalarVerifier verifies one record after the other.
type scalarVerifier struct {
	name string
	v    *secp.Verifier
}

func openGo() (Verifier, error) {
	return scalarVerifier{Go, secp.NewVerifier(secp.Field{})}, nil
}

func openADX() (Verifier, error) {
	f, ok := secp.ADX()
	if !ok {
		return nil, ErrUnsupported
	}
	return scalarVerifier{ADX, secp.NewVerifier(f)}, nil
}

func (s scalarVerifier) Name() string { return s.name }

func (s scalarVerifier) Verify(batch []Record, verdicts []bool) {
	verdicts = verdicts[:len(batch)]
	for i := range batch {
		verdicts[i] = s.v.Verify(&batch[i].PubKey, &batch[i].Msg, &batch[i].Sig)
	}
}
