package storetest

import (
	"crypto/sha256"
	"encoding/binary"
	"strconv"

	"moa/nips/event"
)

// Key returns the public key of the nth author. Nobody knows its secret, for a
// store does not verify signatures.
func Key(n int) event.PubKey {
	return event.PubKey(sha256.Sum256(binary.BigEndian.AppendUint64([]byte("author"), uint64(n))))
}

// Make returns an event with a right id and no right signature.
func Make(author event.PubKey, kind uint16, createdAt int64, content string, tags ...event.Tag) *event.Event {
	e := &event.Event{PubKey: author, Kind: kind, CreatedAt: createdAt, Tags: tags, Content: content}
	if tags == nil {
		e.Tags = []event.Tag{}
	}
	if v, ok := e.Value("expiration"); ok {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			e.Expiration = max(n, 1)
		}
	}
	e.ID = event.ComputeID(e)
	copy(e.Sig[:], e.ID[:])
	copy(e.Sig[32:], e.PubKey[:])
	e.Raw = e.Append(nil)
	return e
}

// tag makes a tag.
func tag(elems ...string) event.Tag { return elems }

// pair makes two events that differ in content only, the one with the lower id
// first.
func pair(author event.PubKey, kind uint16, createdAt int64, tags ...event.Tag) (low, high *event.Event) {
	low, high = Make(author, kind, createdAt, "one", tags...), Make(author, kind, createdAt, "other", tags...)
	if event.CompareIDs(low.ID, high.ID) > 0 {
		low, high = high, low
	}
	return low, high
}
