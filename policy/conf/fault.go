package conf

import (
	"errors"
	"fmt"
	"slices"
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
	File   string // that the value names, and that is what is wrong; "": none
	Count  int    // so many faults of the file are told as one; 0: it is one
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

// AddOf notes a fault of a file that the key at path names.
func (f *Faults) AddOf(file, path, text string) {
	*f = append(*f, Fault{Path: path, File: file, Wrong: text})
}

// Count is how many faults there are.
func (f Faults) Count() (n int) {
	for _, fault := range f {
		n += max(1, fault.Count)
	}
	return n
}

// OfFilesOnce are the faults, each of those of a file only where it comes first:
// several keys may name one file.
func (f Faults) OfFilesOnce() Faults {
	type fault struct{ file, wrong string }
	told := map[fault]bool{}
	return slices.DeleteFunc(f, func(one Fault) bool {
		is := fault{one.File, one.Wrong}
		again := one.File != "" && told[is]
		told[is] = true
		return again
	})
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
