package conf

import (
	"errors"
	"fmt"
)

// Fault is what is wrong with one value of a configuration, for the person that
// wrote it.
type Fault struct {
	Source string // where the value was found: the file, the flag or the variable; "" while that is not known
	Line   int    // of the file; 0 while that is not known
	Path   string // of the key: `prefixes[0]`
	Got    string // the value as its writer sees it; "": Wrong names it, if it is of use
	Wrong  string // what is wrong; "": Got is not what Want says
	Want   string // what would be right; "": Wrong says it
}

// Text says what is wrong and what would be right, and not where.
func (f Fault) Text() string {
	switch {
	case f.Want == "":
		return f.Wrong
	case f.Wrong != "":
		return f.Wrong + ": want " + f.Want
	case f.Got != "":
		return "want " + f.Want + ", not " + f.Got
	}
	return "want " + f.Want
}

// Error is the fault on one line, with its place as editors understand it:
// `moa.toml:12: limits.filters: 0 is less than 1`.
func (f Fault) Error() string {
	place := f.Source
	if f.Line > 0 {
		place = fmt.Sprintf("%s:%d", place, f.Line)
	}
	if place != "" {
		place += ": "
	}
	if f.Path != "" {
		place += f.Path + ": "
	}
	return place + f.Text()
}

// Faults are all that is wrong with a configuration.
type Faults []Fault

// Add notes a fault of the key at path, of which the text says what is wrong.
func (f *Faults) Add(path, format string, args ...any) {
	*f = append(*f, Fault{Path: path, Wrong: fmt.Sprintf(format, args...)})
}

// AddError notes what a type that reads itself has refused: a Fault as it is, and
// of another error the text.
func (f *Faults) AddError(path string, err error) {
	fault, ok := errors.AsType[Fault](err)
	if !ok {
		fault.Wrong = err.Error()
	}
	fault.Path = Join(path, fault.Path)
	*f = append(*f, fault)
}

// Err joins the faults into one error, which is nil if there is none.
func (f Faults) Err() error {
	all := make([]error, len(f))
	for i, fault := range f {
		all[i] = fault
	}
	return errors.Join(all...)
}

// Join appends a path to another one.
func Join(path, rest string) string {
	if path == "" || rest == "" || rest[0] == '[' {
		return path + rest
	}
	return path + "." + rest
}
