package moderation

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"moa/nips/event"
	"moa/policy/internal/files"
)

// What an operator decides.
const (
	Dismiss = "dismiss" // the reports about an author are closed
	Ban     = "ban"     // an author's events are refused
	Hide    = "hide"    // an event is shown to nobody, and refused if it comes again
	Delete  = "delete"  // the same, and the caller removes it from the store
	Undo    = "undo"    // the latest decision about the author or event is taken back
)

// Decision is a line of the record. It is about an author or about an event.
type Decision struct {
	At     int64         `json:"at"` // Unix seconds; it closes older reports about the same
	Do     string        `json:"do"`
	Author *event.PubKey `json:"author,omitempty"`
	Event  *event.ID     `json:"event,omitempty"`
	Until  int64         `json:"until,omitempty"`  // of Ban, Unix seconds; 0: for good
	Hidden bool          `json:"hidden,omitempty"` // of Ban: what the author has written is shown to nobody
	Purge  bool          `json:"purge,omitempty"`  // of Ban: the caller removes what the author has written from the store
	Note   string        `json:"note,omitempty"`   // for operators
}

// ErrDecision says that a decision makes no sense.
var ErrDecision = errors.New("no decision")

// check returns what is wrong with the decision.
func (d *Decision) check() error {
	switch {
	case !slices.Contains([]string{Dismiss, Ban, Hide, Delete, Undo}, d.Do):
		return fmt.Errorf("%w: %q is none of dismiss, ban, hide, delete and undo", ErrDecision, d.Do)
	case (d.Author == nil) == (d.Event == nil):
		return fmt.Errorf("%w: it is about an author or about an event", ErrDecision)
	case d.Author == nil && (d.Do == Dismiss || d.Do == Ban):
		return fmt.Errorf("%w: %s is about an author", ErrDecision, d.Do)
	case d.Event == nil && d.hides():
		return fmt.Errorf("%w: %s is about an event", ErrDecision, d.Do)
	case len(d.Note) > maxNote:
		return fmt.Errorf("%w: its note has %d bytes, more than %d", ErrDecision, len(d.Note), maxNote)
	}
	return nil
}

// Removes reports that the caller removes events: a later Undo does not bring them back.
func (d *Decision) Removes() bool { return d.Do == Delete || d.Do == Ban && d.Purge }

// hides reports that the event is shown to nobody.
func (d *Decision) hides() bool { return d.Do == Hide || d.Do == Delete }

const (
	maxNote   = 1000 // bytes
	manyLines = 200  // of a record that is written anew when most are without meaning
)

// decisions are the latest about each author and event.
type decisions struct {
	authors map[event.PubKey]Decision
	events  map[event.ID]Decision
}

func (d *decisions) add(one Decision) {
	switch {
	case one.Author != nil:
		d.authors[*one.Author] = one
	default:
		d.events[*one.Event] = one
	}
}

// record is the file of decisions: JSON lines, of which the latest about each
// author and event counts. Without a path nothing is written. It is not safe for
// concurrent use.
type record struct {
	path  string
	seen  files.Version
	lines int
}

// read reads the file if it has changed; changed is false if it has not.
// broken is how many lines are no decisions.
func (r *record) read() (all decisions, changed bool, broken int, err error) {
	if r.path == "" {
		return all, false, 0, nil
	}
	now, err := files.Look(r.path)
	if errors.Is(err, fs.ErrNotExist) || err == nil && now.Same(r.seen) {
		return all, false, 0, nil
	}
	var text []byte
	if err == nil {
		text, err = os.ReadFile(r.path)
	}
	if err != nil {
		return all, false, 0, fmt.Errorf("read decisions: %w", err)
	}
	all = decisions{map[event.PubKey]Decision{}, map[event.ID]Decision{}}
	lines := 0
	for line := range bytes.Lines(text) {
		lines++
		var d Decision
		if json.Unmarshal(line, &d) != nil || d.check() != nil {
			broken++ // a crash may have cut one off
			continue
		}
		all.add(d)
	}
	r.seen, r.lines = now, lines
	return all, true, broken, nil
}

// append makes a decision durable. What is not among the ones that still have a
// meaning is dropped from a file that has grown long without need.
func (r *record) append(d Decision, meaning []Decision) error {
	if r.path == "" {
		return nil
	}
	if r.lines > manyLines && r.lines > 4*len(meaning) {
		return r.rewrite(append(meaning, d))
	}
	line, err := json.Marshal(d)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(r.path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("write decision: %w", err)
	}
	var last [1]byte
	if st, err := f.Stat(); err == nil && st.Size() > 0 {
		if _, err := f.ReadAt(last[:], st.Size()-1); err == nil && last[0] != '\n' {
			line = append([]byte("\n"), line...) // a crash has cut off the line before
		}
	}
	_, err = f.Write(append(line, '\n'))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write decision: %w", err)
	}
	r.lines++
	return nil
}

func (r *record) rewrite(all []Decision) error {
	var text []byte
	for _, d := range all {
		line, err := json.Marshal(d)
		if err != nil {
			return err
		}
		text = append(append(text, line...), '\n')
	}
	f, err := os.CreateTemp(filepath.Dir(r.path), filepath.Base(r.path)+".*")
	if err != nil {
		return fmt.Errorf("write decisions: %w", err)
	}
	_, err = f.Write(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), r.path)
	}
	if err != nil {
		os.Remove(f.Name())
		return fmt.Errorf("write decisions: %w", err)
	}
	r.lines = len(all)
	return nil
}
