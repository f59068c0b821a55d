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
	store func(ctx context.Context, batch []*event.Event) (tally, error)
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

// chunk is a piece of the input on its way.
type chunk struct {
	first int64 // number of the first line
	lines [][]byte
	err   error // that ended the input behind this chunk; io.EOF: its end

	// Set by check, before done is closed.
	events []*event.Event
	tally  tally
	bytes  int
	done   chan struct{}

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
	c := &chunk{first: im.in.line + 1, lines: make([][]byte, 0, chunkLines), done: make(chan struct{})}
	for len(c.lines) < chunkLines && c.bytes < chunkBytes {
		line, err := im.in.next()
		if errors.Is(err, errLongLine) {
			c.tally.malformed(im.in.line, err)
			line, err = nil, nil
		}
		if err != nil {
			c.err = err
			break
		}
		c.lines = append(c.lines, line)
		c.bytes += len(line)
	}
	c.line, c.at = im.in.line, im.in.at
	return c
}

// check parses and verifies a chunk.
func (im *importer) check(c *chunk) {
	for i, line := range c.lines {
		if len(line) == 0 {
			continue
		}
		e, err := event.Parse(line)
		switch {
		case errors.Is(err, event.ErrID):
			c.tally.reject("bad id")
			continue
		case err != nil:
			c.tally.malformed(c.first+int64(i), err)
			continue
		}
		reason, known := im.admit(e)
		switch {
		case known:
			c.tally.Duplicate++
		case reason != "":
			c.tally.reject(reason)
		default:
			c.events = append(c.events, e)
		}
	}
	c.lines = nil
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
	kept := c.events[:0]
	for i, e := range c.events {
		if r := reason(i, e); r != "" {
			c.tally.reject(r)
			continue
		}
		kept = append(kept, e)
	}
	c.events = kept
}

// batch waits for the next chunk, adds what else is ready, stores it all and
// moves the checkpoint. At the end of the input it returns io.EOF.
func (im *importer) batch(ctx context.Context, at *checkpoint, ordered <-chan *chunk) error {
	var (
		batch []*event.Event
		done  tally
		last  *chunk
		bytes int
	)
	for last == nil || last.err == nil && len(batch) < batchEvents && bytes < batchBytes {
		c, err := nextReady(ctx, ordered, last != nil)
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		batch = append(batch, c.events...)
		bytes += c.bytes
		done.add(&c.tally)
		last = c
	}
	stored, err := im.store(ctx, batch)
	if err != nil {
		return err
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
