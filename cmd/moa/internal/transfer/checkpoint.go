package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"moa/cmd/moa/internal/outfile"
	"moa/cmd/moa/internal/usage"
)

// Checkpoint is how far an import has come. It stands beside its input, so
// that an import which was cut off goes on there.
type Checkpoint struct {
	Size  int64 `json:"size"`  // of the input file; another size is another input
	Line  int64 `json:"line"`  // lines that have been dealt with
	At    int64 `json:"at"`    // bytes of text that they take, decompressed
	Tally Tally `json:"tally"` // what became of them
}

// CheckpointPath is the file of the checkpoint of an input.
func CheckpointPath(input string) string { return input + ".moa-checkpoint" }

// ReadCheckpoint returns the input's checkpoint. There being none is the zero
// Checkpoint and no error.
func ReadCheckpoint(input string, size int64) (c Checkpoint, err error) {
	path := CheckpointPath(input)
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Checkpoint{}, nil
	}
	if err != nil {
		return Checkpoint{}, err
	}
	if err := json.Unmarshal(text, &c); err != nil {
		return Checkpoint{}, fmt.Errorf("%s: %w", path, err)
	}
	if c.Size != size {
		return Checkpoint{}, usage.Errorf("%s is about a file of %d bytes, and %s has %d: remove it to begin anew", path, c.Size, input, size)
	}
	return c, nil
}

// Write replaces the input's checkpoint in one step.
func (c Checkpoint) Write(input string) error {
	text, err := json.Marshal(c)
	if err != nil {
		return err
	}
	return outfile.WriteText(CheckpointPath(input), append(text, '\n'))
}

// RemoveCheckpoint forgets the input's checkpoint, if there is one.
func RemoveCheckpoint(input string) error {
	if err := os.Remove(CheckpointPath(input)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
