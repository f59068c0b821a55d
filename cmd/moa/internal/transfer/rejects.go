package transfer

import (
	"bufio"
	"fmt"
	"os"
	"strings"

	"moa/cmd/moa/internal/outfile"
)

// reject is a line that was not taken.
type reject struct {
	line int64
	why  string
	text []byte // nil: too long to be kept
}

// Rejects has the lines that an import did not take, to be looked at or
// imported again: number, reason and line, with tabs between. nil keeps none.
type Rejects struct {
	*bufio.Writer
	close func() error
}

// CreateRejects begins the file; an import that goes on adds to it.
func CreateRejects(path string, resume bool) (*Rejects, error) {
	if path == "" {
		return nil, nil
	}
	if resume {
		f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
		if err != nil {
			return nil, err
		}
		return &Rejects{bufio.NewWriter(f), f.Close}, nil
	}
	f, err := outfile.Create(path)
	if err != nil {
		return nil, err
	}
	return &Rejects{bufio.NewWriter(f), f.Commit}, nil
}

var oneField = strings.NewReplacer("\t", " ", "\n", " ", "\r", " ")

func (f *Rejects) write(list []reject) error {
	if f == nil {
		return nil
	}
	for _, r := range list {
		// No line end or tab stands for itself within JSON's strings.
		if _, err := fmt.Fprintf(f, "%d\t%s\t%s\n", r.line, oneField.Replace(r.why), oneField.Replace(string(r.text))); err != nil {
			return err
		}
	}
	return f.Flush()
}

// Finish closes the file. What was rejected is worth keeping however the import
// has ended.
func (f *Rejects) Finish() error {
	if f == nil {
		return nil
	}
	return f.close()
}
