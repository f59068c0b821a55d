package nip19_test

import (
	"strings"
	"testing"

	"moa/nips/nip19"
)

func TestParseSecret(t *testing.T) {
	// The pair of NIP-19's own example.
	const nsec = "nsec1vl029mgpspedva04g90vltkh6fvh240zqtv9k0t9af8935ke9laqsnlfe5"
	const hex = "67dea2ed018072d675f5415ecfaed7d2597555e202d85b3d65ea4e58d2d92ffa"
	want, err := nip19.ParseSecret(hex)
	if err != nil || want[0] != 0x67 {
		t.Fatal(want, err)
	}
	if nip19.Nsec(want) != nsec {
		t.Errorf("written as %s", nip19.Nsec(want))
	}
	for _, s := range []string{nsec, strings.ToUpper(nsec), strings.ToUpper(hex), " " + nsec + "\n"} {
		if got, err := nip19.ParseSecret(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	npub := "npub180cvv07tjdrrgpa0j7j7tmnyl2yr6yr7l8j4s3evf6u64th6gkwsyjh6w6"
	for _, s := range []string{"", npub, nsec[:60], hex[1:], hex[1:] + "g", hex + "00", nsec + "x"} {
		if got, err := nip19.ParseSecret(s); err == nil || got != [32]byte{} || s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
}
