package main

import (
	"context"
	"errors"

	"moa/nips/event"
)

// pushTo is relay.Deps.Push.
func pushTo(ctx context.Context, url string, e *event.Event) error {
	p, err := dialPublisher(ctx, url)
	if err != nil {
		return err
	}
	defer p.close()
	done, err := p.publish(ctx, lotOf([]*event.Event{e}))
	for why := range done.Rejected {
		err = errors.Join(err, errors.New("rejected "+why))
	}
	return err
}
