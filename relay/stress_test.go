package relay_test

import (
	"cmp"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"runtime"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"moa/nips/event"
	"moa/nips/testwait"
	"moa/nips/wire"
	"moa/relay"
	"moa/relay/relaytest"
	"moa/relay/ws"
)

var (
	stressed   = flag.Int64("stress", 20_000, "deliveries of TestLiveDeliveryUnderStress")
	stressSeed = flag.Uint64("stress.seed", 0, "of its dice; 0: another each time")
)

// stressHog, set in the environment, makes this binary a program that keeps a
// core busy until its input ends.
const stressHog = "MOA_STRESS_HOG"

// Live events come to everybody who has subscribed, each exactly once, and in the
// order of each publisher: in bursts, after pauses as long as a connection waits
// before it sleeps, while peers stop reading and go on, connections and
// subscriptions come and go, with and without io_uring, on one processor and on
// two, beside programs that keep all cores busy.
//
// -stress says how many deliveries: a million are in .ci/run, which takes about a
// minute, and 20 million at a release:
//
//	go test ./relay -run LiveDeliveryUnderStress -v -stress 20000000 -timeout 3h
//
// Nothing asserts how soon they come, but that they do: the log says how late the
// last of them was, how late the last OK, and how long this machine stood still
// meanwhile. The first time that a burst is not everywhere after 2 s, it has what
// each goroutine does then, and which sockets are full.
func TestLiveDeliveryUnderStress(t *testing.T) {
	if os.Getenv(stressHog) != "" {
		go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
		for n := 0; ; n++ {
			runtime.KeepAlive(n)
		}
	}
	for range runtime.NumCPU() {
		hog(t)
	}
	rings := []bool{false}
	if err := ws.TrySender(); err != nil {
		t.Log(err)
	} else {
		rings = append(rings, true)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, procs := range []int{1, 2} {
		for _, ring := range rings {
			t.Run(fmt.Sprintf("procs=%d,io_uring=%v", procs, ring), func(t *testing.T) {
				runtime.GOMAXPROCS(procs)
				newStress(t, ring).run(*stressed / int64(2*len(rings)))
			})
		}
	}
}

// hog starts a program that keeps a core busy until the test ends.
func hog(t *testing.T) {
	cmd := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
	cmd.Env = append(os.Environ(), stressHog+"=1")
	in, err := cmd.StdinPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { in.Close(); cmd.Wait() })
}

const (
	stressClients    = 200
	stressPublishers = 2
	stressBurst      = 7 // 64 events of each publisher at most
)

// stressKinds are what the publishers publish: one is stored, one is not.
var stressKinds = [stressPublishers]uint16{1, 20001}

// stress is one run.
type stress struct {
	t         *testing.T
	r         *relaytest.Relay
	dice      *rand.Rand
	clients   []*stressClient
	writers   [stressPublishers]*relaytest.Client
	published [stressPublishers]int64
	pad       string // of events of this round

	delivered atomic.Int64
	failed    sync.Once
	latest    atomic.Int64 // nanoseconds from an EVENT to a delivery, at most
	latestOK  [stressPublishers]time.Duration
	began     atomic.Int64 // UnixNano of the burst that is not everywhere yet; 0: none
	dumped    bool         // owned by dumpIfSlow
}

func newStress(t *testing.T, ring bool) *stress {
	seed := cmp.Or(*stressSeed, rand.Uint64())
	t.Logf("-stress.seed %d", seed)
	s := &stress{t: t, dice: rand.New(rand.NewPCG(seed, 1))}
	s.r = start(t, func(c *relay.Config) {
		c.IOUring = ring
		c.Limits.ConnectionsPerIP, c.Limits.OutboxBytes, c.Limits.OutboxTotalMiB = 0, 64<<20, 8<<10
		c.WriteTimeout, c.PingEvery = 10*time.Minute, 10*time.Minute
	})
	for i := range s.writers {
		s.writers[i] = s.r.Dial(t)
	}
	for range stressClients {
		s.clients = append(s.clients, s.come())
	}
	s.await("all subscribe", func(c *stressClient) bool { return c.subscribed() })
	return s
}

func (s *stress) run(want int64) {
	var machine stillness
	defer machine.watch(s.dumpIfSlow)()
	rounds := 0
	for ; s.delivered.Load() < want && !s.t.Failed(); rounds++ {
		quiet := s.dice.IntN(3) > 0
		s.stir(quiet)
		s.began.Store(time.Now().UnixNano())
		s.burst()
		if quiet {
			s.await("all that do not stall have heard all", func(c *stressClient) bool { return c.stalled || c.heardAll(s.published) })
		}
		s.began.Store(0)
		switch s.dice.IntN(8) {
		case 0, 1:
			time.Sleep(time.Duration(s.dice.IntN(20)) * time.Millisecond)
		case 2, 3: // about as long as a session waits for more before it sleeps
			time.Sleep(490*time.Millisecond + time.Duration(s.dice.IntN(25))*time.Millisecond)
		}
	}
	for _, c := range s.clients {
		c.stall(false)
	}
	s.await("all have heard all", func(c *stressClient) bool { return c.heardAll(s.published) })
	for _, reason := range relay.DropReasons() {
		if n := endings(s.t, s.r, reason); n > 0 && !strings.HasPrefix(reason, "client_") {
			s.t.Errorf("%v connections ended: %s", n, reason)
		}
	}
	s.t.Logf("%d deliveries in %d rounds, the slowest after %v; the slowest OK of a stored event after %v, of an ephemeral one after %v; the machine stood still for %v",
		s.delivered.Load(), rounds, time.Duration(s.latest.Load()).Round(time.Millisecond), s.latestOK[0].Round(time.Millisecond), s.latestOK[1].Round(time.Millisecond),
		machine.longest().Round(time.Millisecond))
	for _, c := range s.clients {
		c.leave(false)
	}
}

// stir lets clients come and go, and begin and end subscriptions, stop reading and
// go on. Where it is quiet, all that has begun is open when stir returns.
func (s *stress) stir(quiet bool) {
	for i := range s.clients {
		c := s.clients[i]
		switch s.dice.IntN(40) {
		case 0:
			c.leave(s.dice.IntN(2) == 0)
			s.clients[i] = s.come()
			continue
		case 1, 2:
			c.stall(true)
			continue
		case 3:
			c.say(0x89, "are you there?")
		}
		if c.stalled {
			c.stall(s.dice.IntN(2) == 0)
		}
		if s.dice.IntN(4) == 0 {
			c.toggle()
		}
	}
	if quiet {
		s.await("what was asked for is open", func(c *stressClient) bool { return c.stalled || c.subscribed() })
	}
	s.pad = ""
	if s.dice.IntN(8) == 0 { // more than the sockets of clients that stall hold
		s.pad = strings.Repeat("x", 8<<10)
	}
}

// burst has the publishers publish at once, until all is accepted.
func (s *stress) burst() {
	for _, c := range s.clients {
		c.expect(s.published)
	}
	var wg sync.WaitGroup
	for p, w := range s.writers {
		n := 1 << s.dice.IntN(stressBurst)
		first := s.published[p] + 1
		s.published[p] += int64(n)
		wg.Go(func() {
			sent := make([]time.Time, n)
			for i := range n {
				sent[i] = time.Now()
				content := fmt.Sprintf("%d %d %d %s", p, first+int64(i), sent[i].UnixNano(), s.pad)
				w.Publish(s.t, alice.Sign(s.t, event.Event{Kind: stressKinds[p], CreatedAt: time.Now().Unix(), Content: content}))
			}
			for i := range n {
				if ok := w.Hear(s.t, wire.OK); !ok.OK {
					s.t.Errorf("refused: %s", ok.Text)
				}
				s.latestOK[p] = max(s.latestOK[p], time.Since(sent[i]))
			}
		})
	}
	wg.Wait()
}

// await waits until all clients are so.
func (s *stress) await(what string, ok func(c *stressClient) bool) {
	s.t.Helper()
	deadline := time.Now().Add(testwait.Patience)
	for _, c := range s.clients {
		for !ok(c) {
			if s.t.Failed() {
				s.t.FailNow()
			}
			if time.Now().After(deadline) {
				s.t.Fatalf("not within %v: %s. published %v, a client has %s", testwait.Patience, what, s.published, c)
			}
			time.Sleep(time.Millisecond)
		}
	}
}

// fail reports the first fault: those after it follow from it.
func (s *stress) fail(err error) { s.failed.Do(func() { s.t.Error(err) }) }

// note takes the time that a delivery took to one that has never stalled.
func (s *stress) note(late int64) {
	for {
		most := s.latest.Load()
		if late <= most || s.latest.CompareAndSwap(most, late) {
			return
		}
	}
}

// dumpIfSlow logs what all goroutines do, once, while a burst is not everywhere
// after 2 s.
func (s *stress) dumpIfSlow() {
	began := s.began.Load()
	if s.dumped || began == 0 || time.Since(time.Unix(0, began)) < 2*time.Second {
		return
	}
	s.dumped = true
	var all strings.Builder
	if err := pprof.Lookup("goroutine").WriteTo(&all, 1); err != nil {
		s.fail(err)
	}
	s.t.Logf("a burst is not everywhere after 2 s; what all goroutines do:\n%s\nand the sockets that hold anything:\n%s", &all, fullSockets())
}

// fullSockets are the lines of the kernel's table of TCP sockets that have bytes to
// send or to be read: each with its timer, and how often it has sent again.
func fullSockets() (list string) {
	for _, name := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		table, _ := os.ReadFile(name) // only Linux has it
		for line := range strings.Lines(string(table)) {
			if f := strings.Fields(line); len(f) > 6 && f[4] != "00000000:00000000" {
				list += line
			}
		}
	}
	return list
}

// stillness measures how long nothing ran here.
type stillness struct{ most atomic.Int64 }

// watch calls also every 5 ms.
func (m *stillness) watch(also func()) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for last := time.Now(); ; {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
			}
			now := time.Now()
			m.most.Store(max(m.most.Load(), int64(now.Sub(last)-5*time.Millisecond)))
			last = now
			also()
		}
	})
	return func() { close(done); wg.Wait() }
}

func (m *stillness) longest() time.Duration { return time.Duration(m.most.Load()) }
