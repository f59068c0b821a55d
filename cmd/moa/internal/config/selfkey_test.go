package config

import (
	"fmt"
	"strings"
	"testing"

	"moa/nips/nip19"
)

func TestAPrintedConfigurationDoesNotShowTheKey(t *testing.T) {
	nsec := nip19.Nsec([32]byte{31: 9})
	c := Config{SelfKey: secret(nsec)}
	if shown := fmt.Sprintf("%v %+v %#v %q", c, c, c, c.SelfKey); strings.Contains(shown, nsec) {
		t.Error("a printed configuration shows the key")
	}
}
