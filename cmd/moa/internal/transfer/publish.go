package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/coder/websocket"

	"moa/bench/client"
	"moa/cmd/moa/internal/terminal"
	"moa/nips/reason"
	"moa/nips/wire"
)

const (
	// publishWindow is how many events wait for their OK.
	publishWindow = 512
	// rateLimitPause is the wait before an event that came too fast is sent
	// again, and rateLimitTries how often.
	rateLimitPause = time.Second
	rateLimitTries = 30
	// suspectBytes is from what size on an event may be why a relay has ended the
	// connection without a word.
	suspectBytes = 32 << 10
	// infoTimeout is how long the relay's information document is waited for.
	infoTimeout = 5 * time.Second
)

// Publisher sends events to a relay and counts its answers.
type Publisher struct {
	url  string
	conn *websocket.Conn
	most int // bytes that the relay takes of a message; 0: it does not say

	// Waiting, if not nil, is told how many events the relay has just called too
	// fast, before they are sent again.
	Waiting func(events int)
}

// Dial connects to the relay at url.
func Dial(ctx context.Context, url string) (*Publisher, error) {
	p := &Publisher{url: url}
	if err := p.dial(ctx); err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	if info, err := client.FetchInfo(asking, url); err == nil { // a relay need not have one
		p.most = info.Limits.MessageLength
	}
	return p, nil
}

func (p *Publisher) dial(ctx context.Context) (err error) {
	p.conn, err = dial(ctx, p.url)
	return err
}

// Close ends the connection.
func (p *Publisher) Close() { p.conn.Close(websocket.StatusNormalClosure, "") }

// Publish sends a batch, publishWindow events at a time, and returns when all
// are answered. What the relay calls too fast is sent again, more slowly.
func (p *Publisher) Publish(ctx context.Context, batch Batch) (t Tally, err error) {
	batch = p.fitting(batch, &t)
	for try := 0; len(batch.Events) > 0; try++ {
		if try > 0 {
			if p.Waiting != nil {
				p.Waiting(len(batch.Events))
			}
			select {
			case <-time.After(rateLimitPause):
			case <-ctx.Done():
				return t, ctx.Err()
			}
		}
		var again Batch
		for at := 0; at < len(batch.Events); at += publishWindow {
			end := min(at+publishWindow, len(batch.Events))
			limited, err := p.window(ctx, Batch{batch.Events[at:end], batch.Lines[at:end]}, &t, try == rateLimitTries)
			if err != nil {
				return t, err
			}
			again.Events, again.Lines = append(again.Events, limited.Events...), append(again.Lines, limited.Lines...)
		}
		batch = again
	}
	return t, nil
}

// fitting takes out what the relay says that it does not take.
func (p *Publisher) fitting(batch Batch, t *Tally) (fit Batch) {
	if p.most == 0 {
		return batch
	}
	for i, e := range batch.Events {
		if len(`["EVENT",]`)+len(e.Raw) > p.most {
			t.reject(fmt.Sprintf("larger than a message of %d bytes, the most that the relay takes", p.most), "", batch.Lines[i], e.Raw)
			continue
		}
		fit.add(e, batch.Lines[i])
	}
	return fit
}

// window sends some events until each has an answer. Unless last, it returns
// those that were refused for coming too fast; all others it counts. An event
// that ends the connection, or that the relay says nothing about, ends no more
// than itself.
func (p *Publisher) window(ctx context.Context, events Batch, t *Tally, last bool) (limited Batch, err error) {
	w := &waiting{by: make(map[string]int, len(events.Events)), Batch: events}
	for i, e := range events.Events {
		if _, ok := w.by[e.ID.String()]; ok {
			t.Duplicate++
			continue
		}
		w.by[e.ID.String()] = i
	}
	for alone := false; len(w.by) > 0; {
		before, order := len(w.by), w.inOrder()
		if alone {
			order = []int{w.largest()}
		}
		err := p.exchange(ctx, w, order, t, last, &limited)
		if err == nil {
			alone = false
			continue
		}
		large := len(w.Events[w.largest()].Raw) >= suspectBytes
		switch {
		case ctx.Err() != nil:
			return limited, err
		case alone && large:
			w.drop(w.largest(), "the relay ends the connection when it comes", "", t)
			alone = false
		case websocket.CloseStatus(err) == websocket.StatusMessageTooBig:
			w.drop(w.largest(), "too large for the relay, which ended the connection", "", t)
		case errors.Is(err, context.DeadlineExceeded) && len(w.by) < before:
			for _, i := range w.inOrder() {
				w.drop(i, "the relay does not answer", w.notice, t)
			}
		case large && !errors.Is(err, context.DeadlineExceeded):
			alone = true // the relay's last words may be lost with the connection
		default:
			order := w.inOrder()
			from, to := events.Lines[order[0]], events.Lines[order[len(order)-1]]
			if to == 0 { // they are of no file
				return limited, fmt.Errorf("no answer: %w", err)
			}
			return limited, fmt.Errorf("lines %d to %d are without an answer: %w", from, to, err)
		}
		if err := p.dial(ctx); err != nil {
			return limited, err
		}
	}
	return limited, nil
}

// waiting are the events of a window that have no answer yet.
type waiting struct {
	Batch
	by     map[string]int // by id, where in the lot
	notice string         // what the relay said last to nobody
}

func (w *waiting) inOrder() []int {
	all := make([]int, 0, len(w.by))
	for _, i := range w.by {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

func (w *waiting) largest() (at int) {
	for n, i := range w.inOrder() {
		if n == 0 || len(w.Events[i].Raw) > len(w.Events[at].Raw) {
			at = i
		}
	}
	return at
}

// drop counts an event as refused.
func (w *waiting) drop(i int, why, more string, t *Tally) {
	delete(w.by, w.Events[i].ID.String())
	if more = terminal.Line(more); more != "" {
		more = why + ": " + more
	}
	t.reject(why, more, w.Lines[i], w.Events[i].Raw)
}

// exchange sends some of what waits, and reads until all of that is answered.
func (p *Publisher) exchange(ctx context.Context, w *waiting, order []int, t *Tally, last bool, limited *Batch) error {
	// Sending and reading go on at once: a relay may answer before it reads on.
	sent := make(chan error, 1)
	rest := len(w.by) - len(order)
	go func() { sent <- p.send(ctx, w, order) }()
	for len(w.by) > rest {
		r, err := receive(ctx, p.conn)
		if err != nil {
			p.conn.CloseNow()
			return errors.Join(err, <-sent)
		}
		if r.Verb == wire.Notice {
			w.notice = r.Text
		}
		i, ok := w.by[r.ID]
		if r.Verb != wire.OK || !ok {
			continue // a NOTICE, an AUTH, the answer to the second of two equal events
		}
		switch {
		case r.OK && r.Reason() == reason.Duplicate:
			t.Duplicate++
		case r.OK:
			t.Accepted++
		case r.Reason() == reason.RateLimited && !last:
			limited.add(w.Events[i], w.Lines[i])
		default:
			w.drop(i, "by the relay: "+prefixOf(&r), r.Text, t)
		}
		delete(w.by, r.ID)
	}
	return <-sent
}

// prefixOf is the reason of a refusal, of which there are few: a relay may say
// what it likes.
func prefixOf(r *wire.Reply) string {
	known := []reason.Reason{reason.Duplicate, reason.PoW, reason.Blocked, reason.RateLimited, reason.Invalid, reason.Restricted, reason.Mute, reason.Error, reason.AuthRequired, reason.Unsupported}
	if slices.Contains(known, r.Reason()) {
		return string(r.Reason())
	}
	return "in words of its own"
}

func (p *Publisher) send(ctx context.Context, w *waiting, order []int) error {
	var frame []byte
	for _, i := range order {
		frame = append(append(append(frame[:0], `["EVENT",`...), w.Events[i].Raw...), ']')
		if err := p.conn.Write(ctx, websocket.MessageText, frame); err != nil {
			return err
		}
	}
	return nil
}
