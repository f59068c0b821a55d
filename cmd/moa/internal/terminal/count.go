package terminal

import "fmt"

// Count is a number with what is counted: "1 event was", "2 events were".
func Count[N int | int64 | uint64](n N, one, many string) string {
	return fmt.Sprint(n, " ", Form(n, one, many))
}

// Form is what goes with so many.
func Form[N int | int64 | uint64](n N, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}
