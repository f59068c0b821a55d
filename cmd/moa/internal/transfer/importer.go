// Package transfer moves events as JSON lines between files, stores and relays: into a
// store or through the socket of a relay that runs, and out of them. It counts what
// became of each line, and asks nobody.
package transfer

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

// Importer moves events from an input into a sink:
//
//  1. one goroutine cuts the input into chunks of lines;
//  2. one goroutine a core parses a chunk, drops what need not be stored and
//     verifies the signatures of the rest in one batch;
//  3. Run gathers finished chunks, in the order of the input, and hands them
//     to the sink in large batches.
//
// So what has been dealt with is always a prefix of the input, which a
// Checkpoint can name.
type Importer struct {
	In     *Input
	Verify sig.Verifier // nil: signatures are not checked here
	// Admit says why an event is not to be stored, or "". known is true for
	// one that is stored already. It is called from many goroutines.
	Admit func(e *event.Event) (reason string, known bool)
	// Late is admit for events whose signature holds; nil admits all.
	Late func(e *event.Event) (reason string)
	// Store takes a batch and counts what became of it.
	Store   func(ctx context.Context, batch Batch) (Tally, error)
	Rejects *Rejects
	Limits  relay.Limits // of events; the zero Limits have none
	// Progress, if not nil, is called after each batch.
	Progress func(c Checkpoint) error
}

const (
	chunkLines  = 256
	chunkBytes  = 1 << 20
	batchEvents = 4096
	batchBytes  = 8 << 20
	// aheadChunks bounds what is parsed and waits: two batches.
	aheadChunks = 2 * batchEvents / chunkLines
)

// Run imports until the input ends, ctx is cancelled, or something fails. The
// Checkpoint says how far it came in each case.
func (im *Importer) Run(ctx context.Context, from Checkpoint) (Checkpoint, error) {
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
// Run. It ends with the input or with ctx.
func (im *Importer) cut(ctx context.Context, work, ordered chan<- *chunk) {
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
func (im *Importer) work(ctx context.Context, work <-chan *chunk) {
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

func (im *Importer) nextChunk() *chunk {
	c := &chunk{read: make([]numbered, 0, chunkLines), done: make(chan struct{})}
	for len(c.read) < chunkLines && c.bytes < chunkBytes {
		line, number, err := im.In.next()
		if errors.Is(err, ErrLongLine) {
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
	c.line, c.at = im.In.line, im.In.at
	return c
}

// check parses and verifies a chunk.
func (im *Importer) check(c *chunk) {
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
		reason, known := im.Admit(e)
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
	if im.Verify != nil {
		c.verify(im.Verify)
	}
	if im.Late != nil {
		c.keep(func(_ int, e *event.Event) string { return im.Late(e) })
	}
}

// batch waits for the next chunk, adds what else is ready, stores it all and
// moves the checkpoint. At the end of the input it returns io.EOF.
func (im *Importer) batch(ctx context.Context, at *Checkpoint, ordered <-chan *chunk) error {
	var (
		batch Batch
		done  Tally
		last  *chunk
		bytes int
	)
	for last == nil || last.err == nil && len(batch.Events) < batchEvents && bytes < batchBytes {
		c, err := nextReady(ctx, ordered, last != nil)
		if err != nil {
			return err
		}
		if c == nil {
			break
		}
		batch.Events, batch.Lines = append(batch.Events, c.Events...), append(batch.Lines, c.Lines...)
		bytes += c.bytes
		done.add(&c.tally)
		done.rejects = append(done.rejects, c.tally.rejects...)
		last = c
	}
	stored, err := im.Store(ctx, batch)
	if err != nil {
		return err
	}
	if err := errors.Join(im.Rejects.write(done.rejects), im.Rejects.write(stored.rejects)); err != nil {
		return fmt.Errorf("--rejects: %w", err)
	}
	at.Tally.add(&done)
	at.Tally.add(&stored)
	at.Line, at.At = last.line, last.at
	if im.Progress != nil {
		if err := im.Progress(*at); err != nil {
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
