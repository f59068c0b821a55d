//go:build !amd64 || purego

package sig

func openIFMA() (Verifier, error) { return nil, ErrUnsupported }
