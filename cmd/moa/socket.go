package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/wire"
)

const (
	// answerTimeout is how long a relay may stay silent while it owes an answer.
	answerTimeout = 60 * time.Second
	// publishWindow is how many events wait for their OK.
	publishWindow = 512
	// rateLimitPause is the wait before an event that came too fast is sent
	// again, and rateLimitTries how often.
	rateLimitPause = time.Second
	rateLimitTries = 30
)

// dial connects to a relay. Messages of any length that import reads are taken.
func dial(ctx context.Context, url string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	c.SetReadLimit(2 * maxLineBytes)
	return c, nil
}

// receive reads the next message of a relay.
func receive(ctx context.Context, c *websocket.Conn) (wire.Reply, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	_, frame, err := c.Read(ctx)
	if err != nil {
		return wire.Reply{}, fmt.Errorf("the relay's answer: %w", err)
	}
	return wire.ParseReply(frame)
}

// publisher sends events to a relay and counts its answers.
type publisher struct {
	conn *websocket.Conn
}

func dialPublisher(ctx context.Context, url string) (*publisher, error) {
	c, err := dial(ctx, url)
	if err != nil {
		return nil, err
	}
	return &publisher{conn: c}, nil
}

func (p *publisher) close() { p.conn.Close(websocket.StatusNormalClosure, "") }

// publish sends a batch, publishWindow events at a time, and returns when all
// are answered. What the relay calls too fast is sent again, more slowly.
func (p *publisher) publish(ctx context.Context, batch []*event.Event) (t tally, err error) {
	for try := 0; len(batch) > 0; try++ {
		if try > 0 {
			select {
			case <-time.After(rateLimitPause):
			case <-ctx.Done():
				return t, ctx.Err()
			}
		}
		var again []*event.Event
		for len(batch) > 0 {
			n := min(len(batch), publishWindow)
			limited, err := p.window(ctx, batch[:n], &t, try == rateLimitTries)
			if err != nil {
				return t, err
			}
			again = append(again, limited...)
			batch = batch[n:]
		}
		batch = again
	}
	return t, nil
}

// window sends some events and waits for the OK of each. Unless last, it
// returns those that were refused for coming too fast; all others it counts.
func (p *publisher) window(ctx context.Context, events []*event.Event, t *tally, last bool) (limited []*event.Event, err error) {
	// Sending and reading go on at once: a relay may answer before it reads on.
	sent := make(chan error, 1)
	go func() { sent <- p.send(ctx, events) }()
	waiting := make(map[string]*event.Event, len(events))
	for _, e := range events {
		if waiting[e.ID.String()] != nil {
			t.Duplicate++
		}
		waiting[e.ID.String()] = e
	}
	for len(waiting) > 0 {
		r, err := receive(ctx, p.conn)
		if err != nil {
			p.conn.CloseNow()
			return nil, errors.Join(err, <-sent)
		}
		e := waiting[r.ID]
		if r.Verb != wire.OK || e == nil {
			continue // a NOTICE, an AUTH, the answer to the second of two equal events
		}
		delete(waiting, r.ID)
		switch {
		case r.OK && r.Reason() == reason.Duplicate:
			t.Duplicate++
		case r.OK:
			t.Accepted++
		case r.Reason() == reason.RateLimited && !last:
			limited = append(limited, e)
		default:
			t.reject("by the relay: " + string(r.Reason()))
		}
	}
	return limited, <-sent
}

func (p *publisher) send(ctx context.Context, events []*event.Event) error {
	var frame []byte
	for _, e := range events {
		frame = append(append(append(frame[:0], `["EVENT",`...), e.Raw...), ']')
		if err := p.conn.Write(ctx, websocket.MessageText, frame); err != nil {
			return err
		}
	}
	return nil
}

// fetchPage is how many events one REQ of a fetch asks for.
const fetchPage = 500

// errCrowded says that a relay cannot be read by pages of time.
var errCrowded = errors.New("more events of one second than the relay gives at once; use --filter to take a part, or export from the store itself")

// fetch reads everything that matches f from a relay, newest first, by asking
// for what is older again and again. emit gets each event once.
func fetch(ctx context.Context, url string, f event.Filter, emit func(raw []byte) error) error {
	c, err := dial(ctx, url)
	if err != nil {
		return err
	}
	defer c.CloseNow()
	wanted, limited := f.Limit, f.HasLimit
	f.Limit, f.HasLimit = fetchPage, true
	seen := map[event.ID]bool{} // of the second at which the last page ended
	for n := 0; !limited || wanted > 0; n++ {
		page, finished, err := request(ctx, c, strconv.Itoa(n), &f)
		if err != nil {
			return err
		}
		fresh, oldest := 0, f.Until
		for i, e := range page {
			if i == 0 || e.CreatedAt < oldest {
				oldest = e.CreatedAt
			}
			if seen[e.ID] || limited && wanted == 0 {
				continue
			}
			fresh++
			if event.Ephemeral(e.Kind) {
				continue // a relay may show those of the last minutes; none is to be kept
			}
			wanted--
			if err := emit(e.Raw); err != nil {
				return err
			}
		}
		if finished || len(page) == 0 {
			return nil
		}
		if fresh == 0 {
			// The page was all of one second. If that second has more, nobody
			// can ask for it.
			if len(page) >= fetchPage {
				return errCrowded
			}
			if oldest == 0 {
				return nil
			}
			oldest--
		}
		if !f.HasUntil || f.Until != oldest {
			clear(seen)
		}
		for _, e := range page {
			if e.CreatedAt == oldest {
				seen[e.ID] = true
			}
		}
		f.Until, f.HasUntil = oldest, true
	}
	return nil
}

// request sends a REQ of that id and returns the stored events; finished: the relay
// says that it has no more (NIP-67).
func request(ctx context.Context, c *websocket.Conn, id string, f *event.Filter) (page []*event.Event, finished bool, err error) {
	req := append(f.Append([]byte(`["REQ","`+id+`",`)), ']')
	if err := c.Write(ctx, websocket.MessageText, req); err != nil {
		return nil, false, err
	}
	for {
		r, err := receive(ctx, c)
		if err != nil {
			return nil, false, err
		}
		if r.SubID != id {
			continue // of the request before, or a NOTICE
		}
		switch r.Verb {
		case wire.Event:
			e, err := event.Parse(r.Event)
			if err != nil {
				return nil, false, fmt.Errorf("the relay sent no event: %w", err)
			}
			page = append(page, e)
		case wire.EOSE:
			return page, slices.Contains(r.Hints, "finish"), c.Write(ctx, websocket.MessageText, []byte(`["CLOSE","`+id+`"]`))
		case wire.Closed:
			return nil, false, fmt.Errorf("the relay refused: %s", shown(r.Text))
		}
	}
}
