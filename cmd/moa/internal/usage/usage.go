// Package usage tells mistakes of the person that typed a command, or wrote its
// configuration, from everything else that goes wrong.
package usage

import (
	"errors"
	"fmt"
)

// Error is a mistake that this person can mend.
type Error struct{ Err error }

// Errorf is fmt.Errorf for an Error.
func Errorf(format string, args ...any) error { return Error{fmt.Errorf(format, args...)} }

func (e Error) Error() string { return e.Err.Error() }
func (e Error) Unwrap() error { return e.Err }

// ExitCode is 2 for a command line or a configuration that cannot be used, 1 for
// everything else that goes wrong.
func ExitCode(err error) int {
	if _, ok := errors.AsType[Error](err); ok {
		return 2
	}
	return 1
}
