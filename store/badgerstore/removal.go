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
			if err := w.dropRoomy(n); err != nil {
				return err
			}
			removed++
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return removed, nil
}
