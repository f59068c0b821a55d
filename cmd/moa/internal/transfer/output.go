package transfer

import (
	"bufio"
	"compress/gzip"
	"io"
	"os"
	"strings"

	"github.com/klauspost/compress/zstd"

	"moa/cmd/moa/internal/outfile"
	"moa/cmd/moa/internal/terminal"
)

// Output is JSONL being written, to a file or to standard output.
type Output struct {
	*bufio.Writer
	file    *outfile.File // nil: standard output
	packing io.Closer     // nil: as it is
}

// Create opens path, or standard output for "-"; the name's end, .gz or
// .zst, asks for compression. A file appears under its name only when Commit
// is called.
func Create(path string) (*Output, error) {
	out := new(Output)
	w := terminal.ForJSON(os.Stdout)
	if path != "-" {
		f, err := outfile.Create(path)
		if err != nil {
			return nil, err
		}
		out.file, w = f, terminal.ForJSON(f.File)
	}
	switch {
	case strings.HasSuffix(path, ".gz"):
		z := gzip.NewWriter(w)
		w, out.packing = z, z
	case strings.HasSuffix(path, ".zst"):
		z, err := zstd.NewWriter(w)
		if err != nil {
			return nil, err
		}
		w, out.packing = z, z
	}
	out.Writer = bufio.NewWriterSize(w, 1<<20)
	return out, nil
}

// Commit writes what is buffered to the disk and gives the file its name.
func (out *Output) Commit() error {
	if err := out.Flush(); err != nil {
		return err
	}
	if out.packing != nil {
		if err := out.packing.Close(); err != nil {
			return err
		}
	}
	if out.file == nil {
		return nil
	}
	return out.file.Commit()
}

// Abandon removes the unfinished file. After Commit it does nothing.
func (out *Output) Abandon() {
	if out.file != nil {
		out.file.Abandon()
	}
}
