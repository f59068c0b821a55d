// Package nip13 measures proof of work.
package nip13

import (
	"errors"
	"fmt"
	"math/bits"
	"strconv"

	"moa/nips/event"
)

// Difficulty returns the number of leading zero bits of the id.
func Difficulty(id event.ID) int {
	for i, b := range id {
		if b != 0 {
			return 8*i + bits.LeadingZeros8(b)
		}
	}
	return 8 * len(id)
}

// Committed returns the target that the nonce tag's third element names, and
// whether there is one that can be read.
func Committed(e *event.Event) (target int, ok bool) {
	for _, t := range e.Tags {
		if t[0] != "nonce" {
			continue
		}
		if len(t) < 3 {
			return 0, false
		}
		n, err := strconv.ParseUint(t[2], 10, 16)
		return int(n), err == nil
	}
	return 0, false
}

// ErrNoCommitment says that an event does not name the target of its work.
var ErrNoCommitment = errors.New(`the "nonce" tag does not commit to a target difficulty`)

// Check reports why e's work is too little, nil if it is not. A target that e
// commits to must be as high as least, so that low aims do not pass by luck; with
// needTarget there must be one. An error's text is fit for the client.
func Check(e *event.Event, least int, needTarget bool) error {
	if n := Difficulty(e.ID); n < least {
		return fmt.Errorf("difficulty %d is less than %d", n, least)
	}
	target, ok := Committed(e)
	if !ok {
		if needTarget && least > 0 {
			return ErrNoCommitment
		}
		return nil
	}
	if target < least {
		return fmt.Errorf("committed target difficulty %d is less than %d", target, least)
	}
	return nil
}
