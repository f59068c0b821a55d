package transfer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moa/cmd/moa/internal/terminal"
	"moa/nips/event"
)

// unwrapped is the event of a line: most are one, some relays and tools write
// the message that it came in, ["EVENT",{…}] or ["EVENT","sub",{…}].
func unwrapped(line []byte) []byte {
	if line[0] != '[' {
		return line
	}
	var parts []json.RawMessage
	if json.Unmarshal(line, &parts) != nil || len(parts) < 2 || string(parts[0]) != `"EVENT"` {
		return line
	}
	for _, part := range parts[1:] {
		if part[0] == '{' {
			return part
		}
	}
	return line
}

// otherShape says what a line is instead of an event; err is why it is none.
func otherShape(line []byte, err error) error {
	if name := encodingOf(line); name != "" {
		return errors.New(name)
	}
	var v any
	if bad := json.Unmarshal(line, &v); bad != nil {
		switch line[0] {
		case '{':
			return fmt.Errorf("it begins as JSON does, and is cut off or broken: %w", bad)
		case '[', '"':
			return fmt.Errorf("broken JSON: %w", bad)
		}
		return fmt.Errorf("it is not JSON: %s", terminal.Line(string(line[:min(len(line), 40)])))
	}
	switch v := v.(type) {
	case map[string]any:
		if _, ok := v["sig"]; ok || v["id"] != nil && v["pubkey"] != nil {
			return err // an event, with something wrong
		}
		keys := slices.Sorted(maps.Keys(v))
		return fmt.Errorf("an object that is no event, with the keys %s", terminal.Line(strings.Join(keys[:min(len(keys), 8)], ", ")))
	case []any:
		if len(v) > 0 {
			if verb, ok := v[0].(string); ok {
				return fmt.Errorf("a message %s, which holds no event", terminal.Line(verb))
			}
		}
		return errors.New("an array without an event")
	}
	return errors.New("JSON that is no object")
}

// encodingOf names what is no text that import reads, "" for anything else.
func encodingOf(head []byte) string {
	for magic, name := range map[string]string{
		"\xff\xfe": "text in UTF-16: convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)", "\xfe\xff": "text in UTF-16: convert it to UTF-8 (iconv -f UTF-16 -t UTF-8)",
		"\xfd7zXZ": "compressed with xz: unpack it first (xz -dc FILE | moa import)", "BZh": "compressed with bzip2: unpack it first (bzip2 -dc FILE | moa import)",
		"PK\x03\x04": "a zip archive: unpack it first", "SQLite format 3": "an SQLite database: have the relay that wrote it export JSON lines",
	} {
		if bytes.HasPrefix(head, []byte(magic)) {
			return name
		}
	}
	return ""
}

// parseLine reads the event of a line.
func parseLine(line []byte) (*event.Event, error) {
	e, err := event.Parse(unwrapped(line))
	if err != nil && !errors.Is(err, event.ErrID) {
		err = otherShape(line, err)
	}
	return e, err
}
