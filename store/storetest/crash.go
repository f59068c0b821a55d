package storetest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"moa/nips/event"
	"moa/store"
	"moa/store/memstore"
)

// A crash test kills a process that writes to a store, again and again, and
// wants the store to hold what was acknowledged, as if nothing had happened:
// its state must be the oracle's after all acknowledged steps and perhaps the
// first events of the next.

// Crasher says how to make the process and how to look at what it leaves.
type Crasher struct {
	// Command starts a process that calls CrashChild with the seed and its
	// standard output.
	Command func(seed uint64) *exec.Cmd
	// Open opens the store after the process is gone, and checks it.
	Open func(t testing.TB) store.Store
}

// sweepEvery is how often a step is an Expire.
const sweepEvery = 7

// steps calls do with each step of the load of that seed: a batch, or nil for
// an Expire.
func steps(seed uint64, do func(now int64, batch []*event.Event) bool) {
	m := newMix(seed)
	m.now += int64(seed) * 100_000
	for n := 1; ; n++ {
		m.now += m.rnd.Int64N(20)
		batch := m.batch()
		if n%sweepEvery == 0 {
			batch = nil
		}
		if !do(m.now, batch) {
			return
		}
	}
}

func step(s store.Store, now int64, batch []*event.Event) (err error) {
	if batch == nil {
		_, err = s.Expire(context.Background(), now, 1_000_000)
	} else {
		_, err = s.Commit(context.Background(), now, batch)
	}
	return err
}

// CrashChild writes to s until it is killed, and a line to ack after each step.
func CrashChild(s store.Store, seed uint64, ack io.Writer) (err error) {
	n := 0
	steps(seed, func(now int64, batch []*event.Event) bool {
		if err = step(s, now, batch); err != nil {
			return false
		}
		n++
		_, err = fmt.Fprintln(ack, n)
		return err == nil
	})
	return err
}

// Crash kills that many processes. The seed of the first is another in each run, and
// printed, unless from is not 0.
func Crash(t *testing.T, kills int, from uint64, c Crasher) {
	oracle := memstore.New()
	if from == 0 {
		from = 1 + rand.Uint64N(1_000_000)
	}
	t.Logf("MOA_SEED=%d", from)
	for seed := from; seed < from+uint64(kills); seed++ {
		acked := killed(t, c.Command(seed))
		s := c.Open(t)
		meet(t, seed, acked, oracle, s)
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// killed runs cmd for a while, kills it and returns how many steps it has
// acknowledged.
func killed(t *testing.T, cmd *exec.Cmd) (acked int) {
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(out)
	var timer *time.Timer
	for lines.Scan() {
		if acked, err = strconv.Atoi(lines.Text()); err != nil {
			t.Fatal(err)
		}
		if timer == nil {
			timer = time.AfterFunc(time.Duration(20+rand.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
	}
	err = cmd.Wait()
	if timer == nil || err == nil {
		t.Fatalf("the process ended by itself: %v", err)
	}
	return acked
}

// meet brings oracle to the state of s, which must be one that was possible.
func meet(t *testing.T, seed uint64, acked int, oracle *memstore.Store, s store.Store) {
	want := all(t, s)
	n := 0
	steps(seed, func(now int64, batch []*event.Event) bool {
		if n++; n <= acked {
			if err := step(oracle, now, batch); err != nil {
				t.Fatal(err)
			}
			return true
		}
		if slices.Equal(all(t, oracle), want) {
			return false
		}
		for _, e := range batch {
			if err := step(oracle, now, []*event.Event{e}); err != nil {
				t.Fatal(err)
			}
			if slices.Equal(all(t, oracle), want) {
				return false
			}
		}
		if batch == nil {
			if err := step(oracle, now, nil); err != nil {
				t.Fatal(err)
			}
			if slices.Equal(all(t, oracle), want) {
				return false
			}
		}
		t.Fatalf("after %d acknowledged steps the store holds %d events, in no state that was possible", acked, len(want))
		return false
	})
	t.Logf("%d steps acknowledged, %d events held", acked, len(want))
}

// held is a stored event.
type held struct {
	serial store.Serial
	id     event.ID
}

func all(t *testing.T, s store.Store) (list []held) {
	records, _, err := scan(s, store.Query{Filters: []*event.Filter{{}}}, store.Page{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		list = append(list, held{r.Serial, r.ID})
	}
	return list
}
