package badgerstore

import "slices"

// redo does a frame of the journal again.
func (s *Store) redo(w *writes) error {
	if err := s.records.Prepare(w.missing(s.records)); err != nil {
		return err
	}
	s.commitRecords(w)
	return s.redoKeys(w)
}

// redoKeys does what of a frame is Badger's again.
func (s *Store) redoKeys(w *writes) error {
	if st, ok := w.state(); ok && st.before(s.had) { // a crash has taken the end of the journal, and not Badger's
		w.list = slices.DeleteFunc(w.list, func(op write) bool { return string(op.key) == string(stateKey) })
	}
	s.backlog.add(w)
	if s.backlog.full() {
		return s.backlog.flush()
	}
	return nil
}
