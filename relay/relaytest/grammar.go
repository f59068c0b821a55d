package relaytest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"moa/nips/reason"
)

// prefixes are what may stand before the text of a refusal (NIP-01, NIP-42,
// NIP-77).
var prefixes = map[string][]reason.Reason{
	"OK": {
		reason.Duplicate, reason.PoW, reason.Blocked, reason.RateLimited, reason.Invalid,
		reason.Restricted, reason.Mute, reason.Error, reason.AuthRequired,
	},
	"CLOSED": {
		reason.Duplicate, reason.PoW, reason.Blocked, reason.RateLimited, reason.Invalid,
		reason.Restricted, reason.Error, reason.AuthRequired, reason.Unsupported,
	},
	"NEG-ERR": {
		reason.Blocked, reason.RateLimited, reason.Invalid, reason.Restricted, reason.Error,
		reason.AuthRequired, reason.Unsupported, reason.Closed,
	},
}

// grammar holds everything that a relay answers to the form that it must have:
// as many elements, of these types, and a registered prefix before the text of
// a refusal (NIP01.7, 36, NIP42.6, NIP77.2). What carries events is left to
// those who read them.
func grammar(m string) error {
	if strings.HasPrefix(m, `["EVENT"`) || strings.HasPrefix(m, `["NEG-MSG"`) {
		return nil
	}
	var all []any
	if err := json.Unmarshal([]byte(m), &all); err != nil {
		return err
	}
	verb, _ := text(all, 0)
	form := map[string][]string{
		"OK": {"string", "string", "bool", "string"}, "CLOSED": {"string", "string", "string"},
		"NOTICE": {"string", "string"}, "AUTH": {"string", "string"},
	}[verb]
	for i, want := range form {
		if i >= len(all) || fmt.Sprintf("%T", all[i]) != want {
			return fmt.Errorf("element %d is not a %s", i, want)
		}
	}
	if form != nil && len(all) != len(form) {
		return fmt.Errorf("%d elements, want %d", len(all), len(form))
	}
	says := map[string]int{"OK": 3, "CLOSED": 2, "NEG-ERR": 2}[verb]
	if says == 0 || verb == "OK" && all[2] == true {
		return nil
	}
	why, ok := text(all, says)
	prefix, rest := reason.Split(why)
	if !ok || !slices.Contains(prefixes[verb], prefix) || rest == "" {
		return errors.New("no registered prefix and text")
	}
	return nil
}

func text(all []any, i int) (string, bool) {
	if i >= len(all) {
		return "", false
	}
	s, ok := all[i].(string)
	return s, ok
}
