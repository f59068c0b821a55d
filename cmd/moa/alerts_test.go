package main

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip44"
	"github.com/nbd-wtf/go-nostr/nip59"

	"moa/nips/nip19"
	"moa/relay/relaytest"
)

// About each matter there is a message a day, also over restarts; one that could not be sent
// is sent at the next look.
func TestAlertsComeOnceADay(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	var matters, heard []string
	var fails error
	file := filepath.Join(t.TempDir(), alertsFile)
	fresh := func() *alerter {
		return &alerter{
			log: slog.New(slog.DiscardHandler), now: func() time.Time { return now }, file: file,
			look: func() (list []alert) {
				for _, m := range matters {
					list = append(list, alert{m, m + " is bad"})
				}
				return list
			},
			send: func(text string) error {
				if fails == nil {
					heard = append(heard, text)
				}
				return fails
			},
		}
	}
	a := fresh()
	expect := func(wantErr bool, want ...string) {
		t.Helper()
		heard = nil
		if err := a.tell(); (err != nil) != wantErr || !slices.Equal(heard, want) {
			t.Errorf("at %v: %v, %v; want %v", now, heard, err, want)
		}
	}
	expect(false)
	matters = []string{"disk"}
	expect(false, "disk is bad")
	expect(false)
	matters = []string{"disk", "backup"}
	expect(false, "backup is bad")
	a = fresh() // the relay starts again
	now = now.Add(23 * time.Hour)
	expect(false)
	fails = errors.New("the disk is full")
	now = now.Add(time.Hour)
	expect(true)
	fails = nil
	expect(false, "disk is bad", "backup is bad")
	mustDo(t, a.note(nil))
	now = now.Add(-time.Hour * 1000) // the clock was put back: nothing is kept silent for that
	matters = nil
	expect(false)
	matters = []string{"store"}
	now = now.Add(24 * time.Hour)
	expect(false, "store is bad")
}

// The operator's client reads the message by a library, and nobody else is given it.
func TestOperatorIsToldByMessage(t *testing.T) {
	operator, stranger := relaytest.NewKey(7), relaytest.NewKey(8)
	data := filepath.Join(t.TempDir(), "data")
	args := []string{"--alerts.enabled", "true", "--alerts.disk-percent", "100", "--info.pubkey", nip19.Npub(operator.PubKey)}
	s := serveIn(t, data, args...)
	wraps := func(k relaytest.Key) (list []string) {
		c := relaytest.Dial(t, s.URL)
		defer c.Close()
		c.Authenticate(t, k, c.Challenge(t))
		for _, e := range c.Query(t, `{"kinds":[1059]}`) {
			list = append(list, string(e.Raw))
		}
		return list
	}
	relaytest.Eventually(t, "the message is there", func() bool { return len(wraps(operator)) == 1 })
	if list := wraps(stranger); len(list) != 0 {
		t.Errorf("somebody else is given %v", list)
	}
	var wrap nostr.Event
	mustDo(t, json.Unmarshal([]byte(wraps(operator)[0]), &wrap))
	message, err := nip59.GiftUnwrap(wrap, func(other, text string) (string, error) {
		shared, err := nip44.GenerateConversationKey(other, hex.EncodeToString(operator.Secret[:]))
		if err != nil {
			return "", err
		}
		return nip44.Decrypt(text, shared)
	})
	mustDo(t, err)
	var info struct{ Self string }
	mustDo(t, json.Unmarshal([]byte(fetchText(t, s.URL, "/", "application/nostr+json")), &info))
	if message.Kind != 14 || message.PubKey != info.Self || info.Self == "" || !strings.Contains(message.Content, "no backup is known") || message.Tags.FindWithValue("p", operator.Hex()) == nil {
		t.Errorf("%+v; the relay is %s", message, info.Self)
	}
	if wrap.PubKey == info.Self || wrap.Tags.Find("expiration") == nil {
		t.Errorf("the wrap is %+v", wrap)
	}
	s.stop(t)
	s = serveIn(t, data, args...)
	good(t, "store", "backup", "--data", data, filepath.Join(t.TempDir(), "backup"))
	if list := wraps(operator); len(list) != 1 {
		t.Errorf("%d messages after a start", len(list))
	}
}

// Messages are off by default, and need somebody to be sent to.
func TestAlertsNeedAnOperator(t *testing.T) {
	config := func(text string) string { return writeConfig(t, text) }
	for text, want := range map[string]string{
		"[alerts]\nenabled = true\n":       "info.pubkey, and that is not set",
		"[alerts]\ndisk_percent = 101\n":   "101 is more than 100",
		"[alerts]\nbackup_after = \"-1s\"": "is a negative time",
	} {
		if _, stderr, code := run(t, "", "check-config", config(text)); code == 0 || !strings.Contains(stderr, want) {
			t.Errorf("%q: exit code %d, %s", text, code, stderr)
		}
	}
}
