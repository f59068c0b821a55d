package main

import (
	"context"
	"errors"

	"moa/cmd/moa/internal/transfer"
	"moa/nips/event"
)

// pushTo is relay.Deps.Push: it publishes an event to another relay.
func pushTo(ctx context.Context, url string, e *event.Event) error {
	p, err := transfer.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer p.Close()
	done, err := p.Publish(ctx, transfer.BatchOf([]*event.Event{e}))
	for why := range done.Rejected {
		err = errors.Join(err, errors.New("rejected "+why))
	}
	return err
}
