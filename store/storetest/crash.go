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

// load is one step: a batch, what an operator removes, or, if there is neither, an
// Expire.
type load struct {
	now    int64
	batch  []*event.Event
	remove []event.ID
}

// steps calls do with each step of the load of that seed.
func steps(seed uint64, do func(load) bool) {
	m := newMix(seed)
	m.now += int64(seed) * 100_000
	for n := 1; ; n++ {
		m.now += m.rnd.Int64N(20)
		batch := m.batch()
		if n%sweepEvery == 0 {
			batch = nil
		}
		if !do(load{now: m.now, batch: batch}) {
			return
		}
		if ids := m.removal(); ids != nil && !do(load{now: m.now, remove: ids}) {
			return
		}
	}
}

func (l load) step(s store.Store) (err error) {
	switch {
	case l.batch != nil:
		_, err = s.Commit(context.Background(), l.now, l.batch)
	case l.remove != nil:
		_, err = s.(store.Remover).Remove(context.Background(), l.remove)
	default:
		_, err = s.Expire(context.Background(), l.now, 1_000_000)
	}
	return err
}

// parts are the steps that l may have come to, one after the other, when its process
// was killed.
func (l load) parts() (list []load) {
	for _, e := range l.batch {
		list = append(list, load{now: l.now, batch: []*event.Event{e}})
	}
	if l.batch == nil {
		list = append(list, l) // in one frame
	}
	return list
}

// CrashChild writes to s, which is a store.Remover, until it is killed, and a line to
// ack after each step.
func CrashChild(s store.Store, seed uint64, ack io.Writer) (err error) {
	n := 0
	steps(seed, func(l load) bool {
		if err = l.step(s); err != nil {
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
	steps(seed, func(l load) bool {
		if n++; n <= acked {
			if err := l.step(oracle); err != nil {
				t.Fatal(err)
			}
			return true
		}
		if slices.Equal(all(t, oracle), want) {
			return false
		}
		for _, part := range l.parts() {
			if err := part.step(oracle); err != nil {
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
