// Package reason names the machine-readable prefixes that stand before the
// text of an OK or a CLOSED: `<prefix>: <text for a person>` (NIP-01).
package reason

import "strings"

// Reason is one registered prefix, without its colon. The zero Reason is none.
type Reason string

const (
	Duplicate    Reason = "duplicate"     // NIP-01: the relay has it already
	PoW          Reason = "pow"           // NIP-01, NIP-13: too little work
	Blocked      Reason = "blocked"       // NIP-01: refused by a rule about this event or author
	RateLimited  Reason = "rate-limited"  // NIP-01: too much, too fast
	Invalid      Reason = "invalid"       // NIP-01: breaks the protocol
	Restricted   Reason = "restricted"    // NIP-01, NIP-42: authenticated, but not allowed
	Mute         Reason = "mute"          // NIP-01: an ephemeral event nobody listens for
	Error        Reason = "error"         // NIP-01: the relay failed
	AuthRequired Reason = "auth-required" // NIP-42: authenticate first
	Unsupported  Reason = "unsupported"   // CLOSED: this relay does not do that
	Info         Reason = "info"          // NIP-43, with OK true
	Closed       Reason = "closed"        // NIP-77: the session is gone
)

// Split divides what an OK or a CLOSED says into its prefix and the text after
// it. A text that does not start with one word and a colon has no prefix. The
// word need not be a registered one: other relays have words of their own.
func Split(s string) (Reason, string) {
	for i := range len(s) {
		switch c := s[i]; {
		case c == ':' && i > 0:
			return Reason(s[:i]), strings.TrimPrefix(s[i+1:], " ")
		case (c < 'a' || c > 'z') && c != '-':
			return "", s
		}
	}
	return "", s
}
