package ws

import (
	"bufio"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/testwait"
)

// A socket's number goes to the next client as soon as it is closed: while
// clients come and go in the middle of sends and sleeps, none hears a word that
// was meant for another.
func TestNoClientHearsWhatIsForAnother(t *testing.T) {
	senders(t, func(t *testing.T, s *Sender) {
		d := newDormitory(t, Options{})
		var mu sync.Mutex // guards the following
		open := map[*Conn]int{}
		var ids atomic.Int32
		names := make(chan int) // of those that are let in, and have seen it
		addr := start(t, d.opt, func(c *Conn) {
			n := int(ids.Add(1))
			select {
			case names <- n:
			case <-time.After(testwait.Patience):
				return
			}
			mu.Lock()
			open[c] = n
			mu.Unlock()
			d.serve(c)
			mu.Lock()
			delete(open, c)
			mu.Unlock()
		})
		over := time.Now().Add(time.Second)
		var clients sync.WaitGroup
		var dialing sync.Mutex
		enter := func() (*peer, int) { // one after the other, to know who is who
			dialing.Lock()
			defer dialing.Unlock()
			return dial(t, addr), <-names
		}
		for range 24 {
			clients.Go(func() {
				for time.Now().Before(over) {
					p, n := enter()
					p.SetReadDeadline(time.Now().Add(time.Duration(1+rand.IntN(8)) * time.Millisecond))
					p.send(frame(0x81, fmt.Sprint(n)))
					for want := fmt.Sprintf("81 %d", n); ; {
						got, err := p.next()
						if err != nil {
							break
						}
						if got != want {
							t.Errorf("%q in place of %q", got, want)
						}
					}
					p.Close()
				}
			})
		}
		for turn := 0; time.Now().Before(over); turn++ {
			var list []Send
			mu.Lock()
			for c, n := range open {
				if list = append(list, Send{Conn: c, Msgs: []Msg{{Head: fmt.Append(nil, n)}}}); len(list) == MostSends {
					break
				}
			}
			mu.Unlock()
			if len(list) > 0 && turn%4 == 0 {
				go list[rand.IntN(len(list))].Conn.CloseNow()
			}
			s.TryWrite(list)
			for _, w := range list {
				if w.Rest != nil {
					w.Rest.Finish()
				}
			}
		}
		clients.Wait()
		t.Logf("%d connections", ids.Load())
		testwait.Eventually(t, "all have ended", func() bool { return d.all.Load() == 0 && d.asleep() })
	})
}

// A peer is told why its connection is closed, also in the moment in which the
// reader has waited long enough.
func TestCloseFrameAtTheEndOfAWait(t *testing.T) {
	w, err := NewWatcher()
	if err != nil {
		t.Fatal(err)
	}
	const wait = 2 * time.Millisecond
	lost := 0
	const rounds = 300
	for range rounds {
		c, client := pair(t, &Options{Watcher: w}, false)
		p := &peer{client, bufio.NewReader(client), t}
		client.SetReadDeadline(time.Now().Add(testwait.Patience))
		var reading sync.WaitGroup
		begun := make(chan struct{})
		reading.Go(func() {
			close(begun)
			_, err := c.ReadFor(wait)
			if err == ErrNothing {
				_, err = c.Read()
			}
			if err == nil {
				t.Error("a message")
			}
			c.CloseNow()
		})
		<-begun
		for end := time.Now().Add(wait - 20*time.Microsecond + time.Duration(rand.IntN(150))*time.Microsecond); time.Now().Before(end); {
		}
		c.Close(GoingAway, "")
		if got, err := p.next(); err != nil || got != "88 1001" {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				t.Fatal("no end")
			}
			lost++
		}
		client.Close()
		reading.Wait()
	}
	if lost > 0 {
		t.Errorf("%d of %d peers were not told", lost, rounds)
	}
}

// Whatever ends the Watcher, a connection that slept hears what comes.
func TestSleepersOutliveTheWatcher(t *testing.T) {
	d := newDormitory(t, Options{})
	addr := start(t, d.opt, d.serve)
	var crowd []*peer
	for range 5 {
		p := dial(t, addr)
		p.send(frame(0x81, "hello"))
		p.expect("81 hello")
		crowd = append(crowd, p)
	}
	testwait.Eventually(t, "asleep", d.asleep)
	d.stop()
	for _, p := range crowd {
		p.send(frame(0x81, "still there?"))
		p.expect("81 still there?")
	}
}

// A connection that is closed already, when its number is asked for, has none:
// 0 is that of another file.
func TestClosedSocketHasNoNumber(t *testing.T) {
	c, _ := pair(t, nil, false)
	c.conn.Close()
	if n := fdOf(c.raw); n >= 0 {
		t.Errorf("it is %d", n)
	}
}
