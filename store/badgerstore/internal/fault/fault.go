// Package fault turns a page of a mapped file that the disk cannot give (SIGBUS)
// into an error of the caller that touched it. Without it the process ends.
package fault

import (
	"errors"
	"fmt"
	"runtime/debug"
	"strings"
)

// Err says that a mapped file could not be read.
var Err = errors.New("a mapped file cannot be read")

// Arm has faults of the calling goroutine panic; what it returns is for Catch.
func Arm() (before bool) { return debug.SetPanicOnFault(true) }

// Catch is to be deferred, with Arm's result as it was:
//
//	defer fault.Catch(fault.Arm(), &err)
//
// After a fault err says so. Every other panic goes on.
func Catch(before bool, err *error) {
	debug.SetPanicOnFault(before)
	if r := recover(); r != nil {
		*err = errors.Join(*err, Of(r))
	}
}

// Of makes an error of what a deferred function has recovered, if that is a
// fault. Otherwise it panics again.
func Of(r any) error {
	at, ok := r.(interface{ Addr() uintptr })
	if !ok {
		panic(r)
	}
	return fmt.Errorf("%w, at %#x", Err, at.Addr())
}

// CatchAll is Catch, with every other panic as an error too: for a library that
// panics over bytes that it does not expect.
func CatchAll(before bool, err *error) {
	debug.SetPanicOnFault(before)
	if r := recover(); r != nil {
		first, _, _ := strings.Cut(fmt.Sprint(r), "\n")
		*err = errors.Join(*err, errors.New(first))
	}
}
