package transfer

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/klauspost/compress/zstd"
)

// MaxLineBytes bounds a line of an import. A longer one counts as malformed
// and is skipped, so that a file without line ends cannot fill the memory.
const MaxLineBytes = 16 << 20

// Input is JSONL being read, from a file or from standard input.
type Input struct {
	Size int64 // of the file as it is on disk, bytes; 0: not known

	file  *os.File
	taken atomic.Int64 // bytes taken from the file, before decompression
	text  *bufio.Reader
	close func()
	line  int64 // lines read
	at    int64 // bytes of text read

	spread bool // the events are not one a line
	begun  bool // the next byte begins a line; of a spread text
}

// Open opens a file, or standard input for "-". Text that is compressed
// with gzip or zstd is recognised by its first bytes.
func Open(path string) (*Input, error) {
	in := &Input{file: os.Stdin, close: func() {}}
	if path != "-" {
		f, err := os.Open(path)
		if err != nil {
			return nil, err
		}
		in.file, in.close = f, func() { f.Close() }
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			in.Size = info.Size()
		}
	}
	packed := bufio.NewReaderSize(counter{in.file, &in.taken}, 1<<20)
	head, err := packed.Peek(4)
	if err != nil && !errors.Is(err, io.EOF) {
		in.close()
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	switch {
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		z, err := gzip.NewReader(packed)
		if err != nil {
			in.close()
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		in.text = bufio.NewReaderSize(z, 1<<20)
	case bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}):
		// With a concurrency of 1 the decoder starts no goroutines and so need
		// not be closed.
		z, err := zstd.NewReader(packed, zstd.WithDecoderConcurrency(1))
		if err != nil {
			in.close()
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		in.text = bufio.NewReaderSize(z, 1<<20)
	default:
		in.text = packed
	}
	if mark, _ := in.text.Peek(len(byteOrderMark)); string(mark) == byteOrderMark {
		n, _ := in.text.Discard(len(mark)) // it was there a moment ago
		in.at = int64(n)
	}
	in.spread = spread(in.text)
	in.begun = in.spread
	return in, nil
}

// byteOrderMark is what some editors put before text.
const byteOrderMark = "\ufeff"

// Taken is how many bytes of the file have been read, for a progress bar.
func (in *Input) Taken() int64 { return in.taken.Load() }

// Close closes the file.
func (in *Input) Close() { in.close() }

// Skip passes over what a run before this one has dealt with.
func (in *Input) Skip(c Checkpoint) error {
	for in.at < c.At {
		n, err := in.text.Discard(int(min(c.At-in.at, 1<<20)))
		in.at += int64(n)
		if err != nil {
			return fmt.Errorf("the input ends before the place that the checkpoint names: %w", err)
		}
	}
	if c.At > 0 {
		in.line, in.begun = c.Line, false
	}
	return nil
}

// ErrLongLine says that a line is longer than MaxLineBytes.
var ErrLongLine = fmt.Errorf("longer than %d MiB", MaxLineBytes>>20)

// next returns the next line without its end, in memory of its own, and its
// number; of a spread text, the next value. One that is too long is errLongLine;
// the end of the input is io.EOF.
func (in *Input) next() (line []byte, number int64, err error) {
	if in.spread {
		return in.nextValue()
	}
	line, err = in.NextLine()
	return line, in.line, err
}

// Lines reads lines of text that is not compressed.
func Lines(r io.Reader) *Input {
	return &Input{text: bufio.NewReaderSize(r, 1<<20), close: func() {}}
}

// NextLine returns the next line without its end, in memory of its own. One that is
// too long is ErrLongLine; the end of the input is io.EOF.
func (in *Input) NextLine() ([]byte, error) {
	var line []byte
	tooLong := false
	for {
		part, err := in.text.ReadSlice('\n')
		in.at += int64(len(part))
		if len(line)+len(part) > MaxLineBytes {
			tooLong = true
			line = nil
		}
		if !tooLong {
			line = append(line, part...)
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil && (!errors.Is(err, io.EOF) || len(line) == 0 && !tooLong) {
			return nil, err
		}
		in.line++
		if tooLong {
			return nil, ErrLongLine
		}
		return bytes.TrimSpace(line), nil
	}
}

// counter counts what is read through it.
type counter struct {
	io.Reader
	n *atomic.Int64
}

func (c counter) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	c.n.Add(int64(n))
	return n, err
}
