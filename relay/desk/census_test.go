package desk_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moa/relay/desk"
	"moa/store/census"
)

// However many ask, the store is counted once an hour, and what is known is told at once.
func TestCountedOnceAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var counts int
		var fails error
		c := desk.NewCensus(func(_ context.Context, progress func(int64)) (*census.Report, error) {
			counts++
			at := time.Now()
			progress(7)
			time.Sleep(time.Minute) //nolint:forbidigo // of the test's own clock
			return &census.Report{At: at}, fails
		}, nil, nil)
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { c.Run(ctx) })
		synctest.Wait()
		if counts != 0 {
			t.Error("it is counted, and nobody has asked")
		}
		ask := func() desk.Counted {
			now, _ := c.Ask()
			return now
		}
		first := ask()
		synctest.Wait()
		if again := ask(); !first.Counting || first.Report != nil || !again.Counting || again.SoFar != 7 || counts != 1 {
			t.Errorf("%+v, then %+v, %d counts", first, again, counts)
		}
		_, ended := c.Ask()
		<-ended
		if now := ask(); now.Counting || now.Report == nil || now.Fault != "" || counts != 1 {
			t.Errorf("%+v, %d counts", now, counts)
		}
		time.Sleep(time.Hour - 2*time.Minute) //nolint:forbidigo // as above
		if now := ask(); now.Counting || counts != 1 {
			t.Errorf("%+v before the hour is over", now)
		}
		time.Sleep(time.Minute) //nolint:forbidigo // as above
		old := ask()
		if _, ended = c.Ask(); !old.Counting || old.Report == nil {
			t.Errorf("%+v: the old count is not told", old)
		}
		<-ended
		if now := c.Known(); counts != 2 || !now.Report.At.After(old.Report.At) {
			t.Errorf("%+v, %d counts", now, counts)
		}

		fails = errors.New("the disk is gone")
		time.Sleep(time.Hour) //nolint:forbidigo // as above
		_, ended = c.Ask()
		<-ended
		if now := c.Known(); now.Fault != "the disk is gone" || now.Report == nil || now.Counting {
			t.Errorf("%+v", now)
		}
		cancel()
		running.Wait()
	})
}
