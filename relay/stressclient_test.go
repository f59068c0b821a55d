package relay_test

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// stressClient is a connection of TestLiveDeliveryUnderStress.
type stressClient struct {
	*rawConn
	s       *stress
	stalled bool
	slow    atomic.Bool // it has stalled
	gate    sync.Mutex  // held while it does not read
	writing sync.Mutex

	mu   sync.Mutex // guards the following
	subs map[string]*stressSub
	flap string // that comes and goes; "": it is not open
	made int
	gone bool
}

// stressSub is what a subscription has heard.
type stressSub struct {
	open   bool // EOSE has come
	closed bool
	due    bool                    // and that before the burst which followed base
	base   [stressPublishers]int64 // published before
	next   [stressPublishers]int64 // the event to come; 0: none has come yet
}

// come connects a client that subscribes to everything.
func (s *stress) come() *stressClient {
	c := &stressClient{rawConn: dialRaw(s.t, s.r), s: s, subs: map[string]*stressSub{}}
	c.ask("all")
	go c.read()
	return c
}

func (c *stressClient) say(opcode byte, text string) {
	c.writing.Lock()
	defer c.writing.Unlock()
	frame := append([]byte{opcode, 0x80 | byte(len(text)), 0, 0, 0, 0}, text...)
	if _, err := c.Write(frame); err != nil && !c.left() {
		c.s.fail(fmt.Errorf("a client cannot write: %w", err))
	}
}

func (c *stressClient) ask(id string) {
	c.mu.Lock()
	c.subs[id] = new(stressSub)
	c.mu.Unlock()
	c.say(0x81, fmt.Sprintf(`["REQ",%q,{"kinds":[%d,%d],"limit":0}]`, id, stressKinds[0], stressKinds[1]))
}

// toggle begins or ends a subscription beside the one that stays.
func (c *stressClient) toggle() {
	c.mu.Lock()
	id := c.flap
	if id != "" {
		c.subs[id].closed, c.flap = true, ""
	} else {
		c.made++
		c.flap = "flap " + strconv.Itoa(c.made)
	}
	flap := c.flap
	c.mu.Unlock()
	if flap == "" {
		c.say(0x81, fmt.Sprintf(`["CLOSE",%q]`, id))
		return
	}
	c.ask(flap)
}

// expect says what was published before the burst that follows: what is open now
// hears all of that.
func (c *stressClient) expect(published [stressPublishers]int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sub := range c.subs {
		if sub.open && !sub.due {
			sub.due, sub.base = true, published
		}
	}
}

// stall lets the client stop reading, or go on.
func (c *stressClient) stall(yes bool) {
	if yes == c.stalled {
		return
	}
	if c.stalled = yes; yes {
		c.slow.Store(true)
		c.gate.Lock()
	} else {
		c.gate.Unlock()
	}
}

// leave ends the connection, with a close frame or without.
func (c *stressClient) leave(politely bool) {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	if politely {
		c.say(0x88, "\x03\xe8")
	}
	c.Close()
	c.stall(false)
}

func (c *stressClient) left() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.gone
}

// subscribed reports that all it has asked for is open.
func (c *stressClient) subscribed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sub := range c.subs {
		if !sub.open && !sub.closed {
			return false
		}
	}
	return true
}

// heardAll reports that all that is open has had everything.
func (c *stressClient) heardAll(published [stressPublishers]int64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, sub := range c.subs {
		for p, n := range published {
			if sub.due && !sub.closed && sub.next[p] != n+1 && (sub.next[p] != 0 || sub.base[p] != n) {
				return false
			}
		}
	}
	return true
}

// String is what it has open and has heard.
func (c *stressClient) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for id, sub := range c.subs {
		if !sub.closed {
			fmt.Fprintf(&b, "%s: %+v ", id, *sub)
		}
	}
	return b.String()
}

func (c *stressClient) read() {
	var payload []byte
	for {
		c.gate.Lock()
		c.gate.Unlock() //nolint:staticcheck // it is held while the client stalls
		var head [4]byte
		_, err := io.ReadFull(c.in, head[:2])
		n := int(head[1])
		if err == nil && n == 126 { // the longest frames here
			_, err = io.ReadFull(c.in, head[2:])
			n = int(head[2])<<8 | int(head[3])
		}
		if cap(payload) < n {
			payload = make([]byte, n)
		}
		payload = payload[:n]
		if err == nil {
			_, err = io.ReadFull(c.in, payload)
		}
		if err != nil {
			if !c.left() {
				c.s.fail(fmt.Errorf("a client's connection has ended: %w", err))
			}
			return
		}
		if head[0] == 0x81 {
			if err := c.hear(payload); err != nil {
				c.s.fail(err)
				return
			}
		}
	}
}

var (
	stressEvent   = []byte(`["EVENT","`)
	stressEOSE    = []byte(`["EOSE","`)
	stressContent = []byte(`"content":"`)
)

// hear takes one message.
func (c *stressClient) hear(m []byte) error {
	if rest, ok := bytes.CutPrefix(m, stressEOSE); ok {
		id, _, _ := bytes.Cut(rest, []byte(`"`))
		c.mu.Lock()
		defer c.mu.Unlock()
		c.subs[string(id)].open = true
		return nil
	}
	rest, ok := bytes.CutPrefix(m, stressEvent)
	id, rest, _ := bytes.Cut(rest, []byte(`"`))
	_, content, found := bytes.Cut(rest, stressContent)
	if !ok || !found {
		return fmt.Errorf("a client hears %.200q", m)
	}
	p, n, sent, ok := stressNumbers(content)
	if !ok {
		return fmt.Errorf("a client hears %.200q", m)
	}
	c.s.delivered.Add(1)
	if late := time.Now().UnixNano() - sent; !c.slow.Load() {
		c.s.note(late)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	sub := c.subs[string(id)]
	switch {
	case sub == nil:
		return fmt.Errorf("a client hears of subscription %q, which it does not know", id)
	case sub.next[p] == 0 && sub.due && n > sub.base[p]+1:
		return fmt.Errorf("%s: the first event of publisher %d is %d, and %d were published before", id, p, n, sub.base[p])
	case sub.next[p] != 0 && sub.next[p] != n:
		return fmt.Errorf("%s: event %d of publisher %d comes where %d should", id, n, p, sub.next[p])
	}
	sub.next[p] = n + 1
	return nil
}

// stressNumbers reads what burst has written: the publisher, the event's number and
// when it was published.
func stressNumbers(content []byte) (p int, n, sent int64, ok bool) {
	var all [3]int64
	for i := range all {
		number, rest, found := bytes.Cut(content, []byte(" "))
		v, err := strconv.ParseInt(string(number), 10, 64)
		if !found || err != nil {
			return 0, 0, 0, false
		}
		all[i], content = v, rest
	}
	p = int(all[0])
	return p, all[1], all[2], 0 <= p && p < stressPublishers
}
