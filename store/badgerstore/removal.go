package badgerstore

import (
	"context"

	"moa/nips/event"
)

// Remove does what store.Remover says. It may use half of the disk's reserve,
// for it gives room back.
func (s *Store) Remove(ctx context.Context, ids []event.ID) (int, error) {
	removed := 0
	err := s.update(s.opt.ReserveMB/2, func(w *writer) error {
		for _, id := range ids {
			if err := ctx.Err(); err != nil {
				return err
			}
			n, err := w.at(idKey(id))
			if err != nil {
				return err
			}
			if n.value == nil {
				continue
			}
			if r := s.requests.asks(&n.tail); r != nil { // after a crash nothing else tells what it asks for
				if err := w.finish(r); err != nil {
					return err
				}
			}
			gone := !n.unread() && s.requests.hidden().has(&n)
			if err := w.leave(n); err != nil {
				return err
			}
			if !gone {
				removed++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}
