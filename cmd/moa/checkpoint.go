package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"moa/cmd/moa/internal/usage"
)

// checkpoint is how far an import has come. It stands beside its input, so
// that an import which was cut off goes on there.
type checkpoint struct {
	Size  int64 `json:"size"`  // of the input file; another size is another input
	Line  int64 `json:"line"`  // lines that have been dealt with
	At    int64 `json:"at"`    // bytes of text that they take, decompressed
	Tally tally `json:"tally"` // what became of them
}

func checkpointPath(input string) string { return input + ".moa-checkpoint" }

// readCheckpoint returns the input's checkpoint. There being none is the zero
// checkpoint and no error.
func readCheckpoint(input string, size int64) (c checkpoint, err error) {
	path := checkpointPath(input)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return checkpoint{}, nil
	}
	if err != nil {
		return checkpoint{}, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return checkpoint{}, fmt.Errorf("%s: %w", path, err)
	}
	if c.Size != size {
		return checkpoint{}, usage.Errorf("%s is about a file of %d bytes, and %s has %d: remove it to begin anew", path, c.Size, input, size)
	}
	return c, nil
}

// write replaces the input's checkpoint in one step.
func (c checkpoint) write(input string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return writeText(checkpointPath(input), append(text, '\n'))
}

// removeCheckpoint forgets the input's checkpoint, if there is one.
func removeCheckpoint(input string) error {
	if err := os.Remove(checkpointPath(input)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
