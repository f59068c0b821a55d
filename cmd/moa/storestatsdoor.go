package main

import (
	"context"
	"net/http"
	"time"

	"moa/relay/desk"
	"moa/store/census"
)

// censusPause makes a count take a fifth of one processor at most.
const censusPause = 4

func (in *instance) newCensus() *desk.Census {
	return desk.NewCensus(func(ctx context.Context, progress func(events int64)) (*census.Report, error) {
		return census.Count(ctx, in.store, census.Options{Pause: censusPause, Progress: progress})
	}, in.log, nil)
}

// statsPatience is how long an answer waits for the end of a count, before it says how far
// that is.
const statsPatience = time.Second

// serveStats tells what the store holds. While it is counted, the caller asks again.
func (c *controller) serveStats(w http.ResponseWriter, r *http.Request) {
	now, ended := c.census.Ask()
	if ended != nil {
		wait := time.NewTimer(statsPatience)
		defer wait.Stop()
		select {
		case <-ended:
		case <-wait.C:
		case <-r.Context().Done():
		}
		now = c.census.Known()
	}
	answerJSON(w, now)
}
