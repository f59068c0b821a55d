package main

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"moa/nips/sig"
)

func TestVerifiersThatDisagreeAreLoggedWithTheRecord(t *testing.T) {
	var log bytes.Buffer
	m := sig.Mismatch{Verifier: "adx", Now: "btcec"}
	for i := range 32 {
		m.Record.PubKey[i], m.Record.Msg[i], m.Record.Sig[2*i] = 0xaa, 0xbb, 0xcc
	}
	logMismatch(slog.New(slog.NewTextHandler(&log, nil)), &m)
	for _, want := range []string{"verifier=adx", "now=btcec", "pubkey=" + strings.Repeat("aa", 32), "id=" + strings.Repeat("bb", 32), "sig=" + strings.Repeat("cc00", 32)} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%s is missing in %s", want, &log)
		}
	}
}
