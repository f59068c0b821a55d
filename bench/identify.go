package bench

import (
	"bytes"
	"encoding/hex"
	"fmt"

	"moa/nips/event"
)

// identify finds out which event the bytes are. For one of the truth's own,
// sent byte by byte as it was published, that costs a look-up and a comparison;
// anything else is parsed. number is -1 for an event of others; the event is
// nil if the bytes are none, which is named as a fault.
func (t *truth) identify(raw []byte, m *measure) (number int32, e *event.Event) {
	if id, ok := claimedID(raw); ok {
		if n, known := t.byID[id]; known && bytes.Equal(t.events[n].Raw, raw) {
			return n, t.events[n]
		}
	}
	e, err := event.Parse(bytes.Clone(raw))
	if err != nil {
		m.faults.add(Altered, func() string { return fmt.Sprintf("%v: %.200s", err, raw) })
		return -1, nil
	}
	n, known := t.byID[e.ID]
	if !known {
		return -1, e
	}
	if e.Sig != t.events[n].Sig {
		m.faults.add(Altered, func() string { return "another signature: " + e.ID.String() })
	}
	return n, t.events[n]
}

// claimedID reads the id that an event's bytes name, without checking it. In
// an event `"id":"` can only be the key: within strings a quote is escaped.
func claimedID(raw []byte) (id event.ID, ok bool) {
	const key = `"id":"`
	at := bytes.Index(raw, []byte(key))
	if at < 0 || len(raw) < at+len(key)+64 {
		return id, false
	}
	_, err := hex.Decode(id[:], raw[at+len(key):at+len(key)+64])
	return id, err == nil
}
