// Package wire turns the JSON arrays of the Nostr protocol into values and
// back: client messages in (Parse), relay messages out (Append…), and relay
// messages in for tools that are clients themselves (ParseReply). It reads
// filters, but hands the object of an EVENT on as it stands, for event.Parse.
// It does no I/O and never changes the frame it is given.
package wire

import "moa/nips/event"

// Verb is the first element of a message. The zero Verb is an unknown one.
type Verb uint8

const (
	Unknown  Verb = iota
	Event         // NIP-01, both ways
	Req           // NIP-01, to the relay
	Count         // NIP-45, both ways
	Close         // NIP-01, to the relay
	Auth          // NIP-42: an event to the relay, a challenge to the client
	NegOpen       // NIP-77, to the relay
	NegMsg        // NIP-77, both ways
	NegClose      // NIP-77, to the relay
	EOSE          // NIP-01, to the client
	OK            // NIP-01, to the client
	Closed        // NIP-01, to the client
	Notice        // NIP-01, to the client
	NegErr        // NIP-77, to the client
)

var verbNames = [...]string{
	"unknown", "EVENT", "REQ", "COUNT", "CLOSE", "AUTH", "NEG-OPEN", "NEG-MSG", "NEG-CLOSE",
	"EOSE", "OK", "CLOSED", "NOTICE", "NEG-ERR",
}

func (v Verb) String() string { return verbNames[v] }

// Asks reports a question: a message that changes nothing but what the client that
// sent it is told.
func (v Verb) Asks() bool {
	switch v {
	case Req, Count, NegOpen, NegMsg:
		return true
	}
	return false
}

// verbOf finds the verb written so; Unknown if there is none.
func verbOf(name []byte) Verb {
	for v := Event; int(v) < len(verbNames); v++ {
		if string(name) == verbNames[v] {
			return v
		}
	}
	return Unknown
}

// Bounds that Parse holds a client to.
const (
	MaxSubID   = 64  // characters, not bytes (NIP-01)
	MaxFilters = 256 // in one message: a filter takes far more memory than its two bytes {}
)

// maxEcho is the longest subscription id, in characters, that an answer
// repeats. Other relays take ids of that length, so a client that sends one of
// them by mistake can still tell which REQ was refused; a longer one is nothing
// but a way to have a relay send what it was sent.
const maxEcho = 256

// Message is what a client says.
type Message struct {
	Verb    Verb
	SubID   string          // of REQ, COUNT, CLOSE and NEG-*: 1 to MaxSubID characters
	Event   []byte          // of EVENT and AUTH: the JSON object, part of the frame, not yet looked into, and what follows it (First)
	Filters []*event.Filter // of REQ and COUNT: at least one; of NEG-OPEN: exactly one
	Neg     string          // of NEG-OPEN and NEG-MSG: the message, in hex as the client wrote it
}
