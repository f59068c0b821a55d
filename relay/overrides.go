package relay

import "bytes"

// Describe has the relay describe itself anew, after Deps.Settings have changed. Nothing
// else changes for connections. It waits for nothing, not for a Reload either, which does
// the same at its end.
func (s *Server) Describe() error {
	for {
		before := s.settings.Load()
		st := *before
		if err := st.describe(s.deps.Settings()); err != nil {
			return err
		}
		if bytes.Equal(before.doc, st.doc) {
			return nil
		}
		if s.settings.CompareAndSwap(before, &st) {
			s.self.wake()
			return nil
		}
	}
}

// AcceptedKinds are those that the configuration accepts from everybody, nil for all,
// and those that it refuses.
func (s *Server) AcceptedKinds() (accepted, refused []uint16) {
	return kindsOf(s.settings.Load().chain)
}
