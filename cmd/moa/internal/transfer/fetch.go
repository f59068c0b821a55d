package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/coder/websocket"

	"moa/cmd/moa/internal/terminal"
	"moa/nips/event"
	"moa/nips/wire"
)

// answerTimeout is how long a relay may stay silent while it owes an answer.
const answerTimeout = 60 * time.Second

// dial connects to a relay. Messages of any length that import reads are taken.
func dial(ctx context.Context, url string) (*websocket.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	c, _, err := websocket.Dial(ctx, url, nil)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", url, err)
	}
	c.SetReadLimit(2 * MaxLineBytes)
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

// fetchPage is how many events one REQ of a fetch asks for.
const fetchPage = 500

// errCrowded says that a relay cannot be read by pages of time.
var errCrowded = errors.New("more events of one second than the relay gives at once; use --filter to take a part, or export from the store itself")

// Fetch reads everything that matches f from a relay, newest first, by asking
// for what is older again and again. emit gets each event once.
func Fetch(ctx context.Context, url string, f event.Filter, emit func(raw []byte) error) error {
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
			return nil, false, fmt.Errorf("the relay refused: %s", terminal.Line(r.Text))
		}
	}
}
