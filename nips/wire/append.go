package wire

import (
	"strconv"

	"moa/nips/internal/scan"
	"moa/nips/reason"
)

// EventTail ends what AppendEventHead began, after the event's raw JSON: a
// fan-out writes a head of its own, the shared raw bytes, and EventTail.
const EventTail = "]"

// AppendEventHead appends `["EVENT","<subID>",`.
func AppendEventHead(dst []byte, subID string) []byte {
	return append(appendHead(dst, `["EVENT",`, subID), ',')
}

// AppendEvent appends an EVENT to the client. raw is the event's JSON object.
func AppendEvent(dst []byte, subID string, raw []byte) []byte {
	dst = AppendEventHead(dst, subID)
	dst = append(dst, raw...)
	return append(dst, EventTail...)
}

// AppendOK appends the answer to an EVENT or AUTH (NIP-01). id is "" if the
// event's could not be read. There are always four elements.
func AppendOK(dst []byte, id string, ok bool, r reason.Reason, text string) []byte {
	dst = append(appendHead(dst, `["OK",`, id), ',')
	dst = strconv.AppendBool(dst, ok)
	return appendReason(dst, r, text)
}

// Hints of EOSE (NIP-67).
const (
	HintNone   = ""       // nothing is known
	HintFinish = "finish" // every stored event that matches has been sent
	HintMore   = "more"   // there are more
)

// AppendEOSE appends an EOSE; hint is one of the Hints.
func AppendEOSE(dst []byte, subID, hint string) []byte {
	dst = appendHead(dst, `["EOSE",`, subID)
	if hint != HintNone {
		dst = append(dst, `,[`...)
		dst = scan.AppendQuoted(dst, hint)
		dst = append(dst, ']')
	}
	return append(dst, ']')
}

// AppendClosed appends a CLOSED: the subscription is refused or has ended.
func AppendClosed(dst []byte, subID string, r reason.Reason, text string) []byte {
	return appendReason(appendHead(dst, `["CLOSED",`, subID), r, text)
}

// AppendNotice appends a NOTICE.
func AppendNotice(dst []byte, text string) []byte {
	return append(appendHead(dst, `["NOTICE",`, text), ']')
}

// AppendAuth appends an AUTH with a challenge (NIP-42).
func AppendAuth(dst []byte, challenge string) []byte {
	return append(appendHead(dst, `["AUTH",`, challenge), ']')
}

// AppendCount appends the answer to a COUNT (NIP-45).
func AppendCount(dst []byte, subID string, n int, approximate bool) []byte {
	return AppendCountHLL(dst, subID, n, approximate, "")
}

// AppendCountHLL is AppendCount with the registers of a HyperLogLog in hex.
func AppendCountHLL(dst []byte, subID string, n int, approximate bool, hll string) []byte {
	dst = appendHead(dst, `["COUNT",`, subID)
	dst = append(dst, `,{"count":`...)
	dst = strconv.AppendInt(dst, int64(n), 10)
	if approximate {
		dst = append(dst, `,"approximate":true`...)
	}
	if hll != "" {
		dst = append(dst, `,"hll":`...)
		dst = scan.AppendQuoted(dst, hll)
	}
	return append(dst, `}]`...)
}

// AppendNegMsg appends a NEG-MSG; message is hex (NIP-77).
func AppendNegMsg(dst []byte, subID, message string) []byte {
	dst = append(appendHead(dst, `["NEG-MSG",`, subID), ',')
	dst = scan.AppendQuoted(dst, message)
	return append(dst, ']')
}

// AppendNegErr appends a NEG-ERR (NIP-77). most is how many records the relay
// would reconcile; 0 leaves it out.
func AppendNegErr(dst []byte, subID string, r reason.Reason, text string, most int) []byte {
	dst = appendHead(dst, `["NEG-ERR",`, subID)
	if most == 0 {
		return appendReason(dst, r, text)
	}
	dst = appendReason(dst, r, text)
	dst[len(dst)-1] = ','
	dst = strconv.AppendInt(dst, int64(most), 10)
	return append(dst, ']')
}

func appendHead(dst []byte, head, first string) []byte {
	return scan.AppendQuoted(append(dst, head...), first)
}

// appendReason appends `,"<reason>: <text>"]`.
func appendReason(dst []byte, r reason.Reason, text string) []byte {
	if r == "" {
		dst = scan.AppendQuoted(append(dst, ','), text)
		return append(dst, ']')
	}
	dst = scan.AppendQuoted(append(dst, ','), string(r))
	dst = append(dst[:len(dst)-1], ':', ' ')
	// The text goes on in the reason's string: its own opening quote is not wanted.
	at := len(dst) - 1
	dst = scan.AppendQuoted(dst[:at], text)
	dst[at] = ' '
	return append(dst, ']')
}
