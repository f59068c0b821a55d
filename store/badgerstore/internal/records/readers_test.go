package records

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/testwait"
)

// Readers find every record whole, and what they hold stays what it is until
// Collect has waited for them, while records are written, dropped, synced, collected and
// unmapped.
func TestReadersBesideEverything(t *testing.T) {
	const live, least = 400, 3000 // serials that are not dropped; how many are written
	l := mustOpen(t, t.TempDir())
	defer l.Close()
	var life sync.RWMutex
	var next, oldest atomic.Uint64 // all between them are there
	var done atomic.Bool
	var reads, collected atomic.Int64
	var readers, writers sync.WaitGroup
	for i := range 3 {
		readers.Go(func() {
			random := rand.New(rand.NewPCG(uint64(i), 0))
			for !done.Load() {
				life.RLock()
				from := oldest.Load()
				var held [20][]byte
				var serials [20]uint64
				for i := range held {
					if to := next.Load(); to > from {
						serials[i] = from + random.Uint64N(to-from)
						held[i] = l.Get(serials[i])
					}
				}
				for i, b := range held {
					if b != nil && !bytes.Equal(b, text(serials[i], 100)) {
						t.Errorf("record %d is %.20q", serials[i], b)
						done.Store(true)
					}
					if b == nil && serials[i] > 0 && serials[i] >= oldest.Load() {
						t.Errorf("record %d is gone", serials[i])
						done.Store(true)
					}
				}
				life.RUnlock()
				reads.Add(1)
				time.Sleep(time.Microsecond)
			}
		})
	}
	writers.Go(func() {
		for !done.Load() {
			err1 := l.Sync()
			n, err2 := l.Collect(t.Context(), unneeded, func() error {
				life.Lock()
				life.Unlock() //nolint:staticcheck // those who read are waited for
				return nil
			})
			if err := errors.Join(err1, err2, l.Unmap()); err != nil {
				t.Error(err)
				return
			}
			collected.Add(int64(n))
			l.Stats()
		}
	})
	oldest.Store(1)
	next.Store(1)
	for deadline := time.Now().Add(testwait.Patience); !done.Load(); {
		n := next.Load()
		write(t, l, n, n+1, n+2)
		next.Store(n + 3)
		for n > live && oldest.Load() < n-live {
			serial := oldest.Load()
			oldest.Store(serial + 1)
			l.Drop(serial)
		}
		if n > least && reads.Load() > 100 && collected.Load() > 500 || time.Now().After(deadline) {
			done.Store(true)
		}
	}
	readers.Wait()
	writers.Wait()
	if collected.Load() < 500 {
		t.Errorf("%d records are collected", collected.Load())
	}
}

// To drop a record waits for no disk.
func TestNobodyWaitsForTheDisk(t *testing.T) {
	dir := t.TempDir()
	l, err := open(dir, noSync)
	must(t, err)
	defer l.Close()
	write(t, l, 1, 2, 3)
	l.Drop(1)
	syncs := 0
	l.fsync = func(*os.File) error {
		syncs++
		done := make(chan struct{})
		go func() {
			defer close(done)
			n := l.Next()
			write(t, l, n)
			l.Drop(n)
			if l.Get(3) == nil || l.Dead(3) {
				t.Error("record 3 is gone")
			}
		}()
		select {
		case <-done:
		case <-time.After(testwait.Patience):
			t.Error("it waits for the disk")
		}
		return nil
	}
	must(t, l.Sync())
	if syncs < 4 {
		t.Errorf("%d syncs", syncs)
	}
}
