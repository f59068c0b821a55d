package relay

import (
	"context"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"moa/relay/outbox"
)

// Questions of one connection have a page each in turn, or one has all of its
// pages before the next begins; one that is dropped has no page any more.
func TestQuestionsTakeTurns(t *testing.T) {
	for _, c := range []struct {
		rotates bool
		want    string
	}{{true, "abcacac"}, {false, "aaabccc"}} {
		workers := newScheduler(queryLane, outbox.NewWriters(outbox.Options{}))
		var log strings.Builder
		left := map[byte]int{'a': 3, 'b': 3, 'c': 3}
		q := &turns[byte]{workers: workers, of: new(payer), rotates: c.rotates}
		q.pages = questions[byte]{func(x byte) (done bool) {
			log.WriteByte(x)
			if left[x]--; x == 'b' { // it is ended while its page is under way
				q.mu.Lock()
				q.removeLocked(x)
				q.mu.Unlock()
			}
			return left[x] == 0
		}, nil}
		q.mu.Lock()
		for x := range byte(3) {
			q.addLocked('a' + x)
		}
		q.mu.Unlock()
		var worker sync.WaitGroup
		worker.Go(workers.run)
		q.answered(t.Context())
		workers.close()
		worker.Wait()
		if got := log.String(); got != c.want {
			t.Errorf("rotates %v: %s, want %s", c.rotates, got, c.want)
		}
	}
}

// questions have pages, and room when it is told through rooms, or always.
type questions[T any] struct {
	one   func(x T) (done bool)
	rooms chan func()
}

func (q questions[T]) page(x T, _ outbox.Batch) (done bool) { return q.one(x) }

func (q questions[T]) room(then func()) bool {
	if q.rooms == nil {
		return true
	}
	q.rooms <- then
	return false
}

// A question that comes when the last one is answered, or when there was no room
// for a page, is not forgotten.
func TestTurnsGoOn(t *testing.T) {
	workers := newScheduler(queryLane, outbox.NewWriters(outbox.Options{}))
	var worker sync.WaitGroup
	worker.Go(workers.run)
	pages := make(chan int, 100)
	rooms := make(chan func(), 1)
	q := &turns[int]{workers: workers, of: new(payer)}
	q.pages = questions[int]{func(x int) bool {
		pages <- x
		return len(pages)%2 == 0 // two pages each
	}, rooms}
	for x := range 10 {
		q.mu.Lock()
		q.addLocked(x)
		q.mu.Unlock()
		(<-rooms)() // after the first page; after the second nothing is left to make room for
		q.answered(t.Context())
	}
	workers.close()
	worker.Wait()
	if len(pages) != 20 || len(q.next) != 0 {
		t.Errorf("%d pages, %d questions are left", len(pages), len(q.next))
	}
}

// A client that is sent away is waited for once, whatever it has asked: not again for
// each kind of question that has no answer.
func TestLastAnswersAreWaitedForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var subs subscriptions
		var cs counts
		subs.next = []*query{{}}
		cs.next = []*counting{{}}
		ctx, cancel := context.WithTimeout(t.Context(), partTime)
		defer cancel()
		begun := time.Now()
		lastAnswers(ctx, &subs, &cs)
		if took := time.Since(begun); took != partTime {
			t.Errorf("%v, want %v", took, partTime)
		}
	})
}
