package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"
	"sync"

	"moa/nips/event"
	"moa/nips/sig"
	"moa/relay"
)

// importer moves events from an input into a sink:
//
//  1. one goroutine cuts the input into chunks of lines;
//  2. one goroutine a core parses a chunk, drops what need not be stored and
//     verifies the signatures of the rest in one batch;
//  3. run gathers finished chunks, in the order of the input, and hands them
//     to the sink in large batches.
//
// So what has been dealt with is always a prefix of the input, which a
// checkpoint can name.
type importer struct {
	in     *input
	verify sig.Verifier // nil: signatures are not checked here
	// admit says why an event is not to be stored, or "". known is true for
	// one that is stored already. It is called from many goroutines.
	admit func(e *event.Event) (reason string, known bool)
	// late is admit for events whose signature holds; nil admits all.
	late func(e *event.Event) (reason string)
	// store takes a batch and counts what became of it.
	store   func(ctx context.Context, batch lot) (tally, error)
	rejects *rejectsFile
	limits  relay.Limits // of events; the zero Limits have none
	// progress, if not nil, is called after each batch.
	progress func(c checkpoint) error
}

const (
	chunkLines  = 256
	chunkBytes  = 1 << 20
	batchEvents = 4096
	batchBytes  = 8 << 20
	// aheadChunks bounds what is parsed and waits: two batches.
	aheadChunks = 2 * batchEvents / chunkLines
)

// lot are events and the lines that they are from.
type lot struct {
	events []*event.Event
	lines  []int64 // 0: from none
}

func (l *lot) add(e *event.Event, line int64) {
	l.events, l.lines = append(l.events, e), append(l.lines, line)
}

// lotOf are events that are from no lines.
func lotOf(events []*event.Event) lot { return lot{events, make([]int64, len(events))} }

// numbered is a line of the input.
type numbered struct {
	text   []byte
	number int64
}

// chunk is a piece of the input on its way.
type chunk struct {
	read []numbered
	err  error // that ended the input behind this chunk; io.EOF: its end

	// Set by check, before done is closed.
	lot
	tally tally
	bytes int
	done  chan struct{}

	// Where the input stood behind this chunk.
	line, at int64
}

// run imports until the input ends, ctx is cancelled, or something fails. The
// checkpoint says how far it came in each case.
func (im *importer) run(ctx context.Context, from checkpoint) (checkpoint, error) {
	ctx, cancel := context.WithCancel(ctx)
	var workers sync.WaitGroup
	defer workers.Wait()
	defer cancel()

	work := make(chan *chunk)
	ordered := make(chan *chunk, aheadChunks)
	// Nobody waits for this one: a read of standard input cannot be cut short.
	go im.cut(ctx, work, ordered)
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() { im.work(ctx, work) })
	}
	at := from
	for {
		if err := ctx.Err(); err != nil {
			return at, err
		}
		err := im.batch(ctx, &at, ordered)
		if errors.Is(err, io.EOF) {
			return at, nil
		}
		if err != nil {
			return at, err
		}
	}
}

// cut reads the input into chunks and hands each to a worker and, in order, to
// run. It ends with the input or with ctx.
func (im *importer) cut(ctx context.Context, work, ordered chan<- *chunk) {
	for {
		c := im.nextChunk()
		select {
		case ordered <- c:
		case <-ctx.Done():
			return
		}
		select {
		case work <- c:
		case <-ctx.Done():
			return
		}
		if c.err != nil {
			return
		}
	}
}

// work checks chunks until ctx ends.
func (im *importer) work(ctx context.Context, work <-chan *chunk) {
	for {
		select {
		case c := <-work:
			im.check(c)
			close(c.done)
		case <-ctx.Done():
			return
		}
	}
}

func (im *importer) nextChunk() *chunk {
	c := &chunk{read: make([]numbered, 0, chunkLines), done: make(chan struct{})}
	for len(c.read) < chunkLines && c.bytes < chunkBytes {
		line, number, err := im.in.next()
		if errors.Is(err, errLongLine) {
			c.tally.malformed(number, nil, err)
			line, err = nil, nil
		}
		if err != nil {
			c.err = err
			break
		}
		c.read = append(c.read, numbered{line, number})
		c.bytes += len(line)
	}
	c.line, c.at = im.in.line, im.in.at
	return c
}

// check parses and verifies a chunk.
func (im *importer) check(c *chunk) {
	for _, l := range c.read {
		if len(l.text) == 0 {
			continue
		}
		e, err := parseLine(l.text)
		switch {
		case errors.Is(err, event.ErrID):
			c.tally.reject("bad id", "", l.number, l.text)
			continue
		case err != nil:
			c.tally.malformed(l.number, l.text, err)
			continue
		}
		reason, known := im.admit(e)
		switch {
		case known:
			c.tally.Duplicate++
		case reason != "":
			c.tally.reject(reason, "", l.number, e.Raw)
		default:
			c.add(e, l.number)
		}
	}
	c.read = nil
	if im.verify != nil {
		c.verify(im.verify)
	}
	if im.late != nil {
		c.keep(func(_ int, e *event.Event) string { return im.late(e) })
	}
}

// verify drops the events whose signature does not hold.
func (c *chunk) verify(v sig.Verifier) {
	records := make([]sig.Record, len(c.events))
	for i, e := range c.events {
		records[i] = sig.Record{PubKey: e.PubKey, Msg: e.ID, Sig: e.Sig}
	}
	verdicts := make([]bool, len(records))
	v.Verify(records, verdicts)
	c.keep(func(i int, _ *event.Event) string {
		if verdicts[i] {
			return ""
		}
		return "bad signature"
	})
}

// keep drops the events for which there is a reason.
func (c *chunk) keep(reason func(i int, e *event.Event) string) {
	all := c.lot
	c.lot = lot{all.events[:0], all.lines[:0]}
	for i, e := range all.events {
		if r := reason(i, e); r != "" {
			c.tally.reject(r, "", all.lines[i], e.Raw)
			continue
		}
		c.add(e, all.lines[i])
	}
}

// batch waits for the next chunk, adds what else is ready, stores it all and
// moves the checkpoint. At the end of the input it returns io.EOF.
func (im *importer) batch(ctx context.Context, at *checkpoint, ordered <-chan *chunk) error {
	var (
		batch lot
		done  tally
		last  *chunk
		bytes int
	)
	for last == nil || last.err == nil && len(batch.events) < batchEvents && bytes < batchBytes {
		c, err := nextReady(ctx, ordered, last != nil)
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		batch.events, batch.lines = append(batch.events, c.events...), append(batch.lines, c.lines...)
		bytes += c.bytes
		done.add(&c.tally)
		done.rejects = append(done.rejects, c.tally.rejects...)
		last = c
	}
	stored, err := im.store(ctx, batch)
	if err != nil {
		return err
	}
	if err := errors.Join(im.rejects.write(done.rejects), im.rejects.write(stored.rejects)); err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	at.Tally.add(&done)
	at.Tally.add(&stored)
	at.Line, at.At = last.line, last.at
	if im.progress != nil {
		if err := im.progress(*at); err != nil {
			return err
		}
	}
	if last.err != nil && !errors.Is(last.err, io.EOF) {
		return fmt.Errorf("line %d: %w", last.line+1, last.err)
	}
	return last.err
}

// nextReady returns the next chunk once it has been checked. If there is a
// batch to store meanwhile, it returns nil instead of waiting.
func nextReady(ctx context.Context, ordered <-chan *chunk, busy bool) (*chunk, error) {
	var c *chunk
	select {
	case c = <-ordered:
	default:
		if busy {
			return nil, nil
		}
		select {
		case c = <-ordered:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	select {
	case <-c.done:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
