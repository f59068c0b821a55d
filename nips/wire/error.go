package wire

import "moa/nips/reason"

// Error says what is wrong with a client's frame, and so how to answer it.
type Error struct {
	Verb    Verb   // Unknown: not even the verb is readable, there is no such verb, or nothing to answer it by
	SubID   string // "" if it cannot be read, or is longer than maxEcho
	EventID string // of EVENT and AUTH, "" if it cannot be read
	Reason  reason.Reason
	Text    string // for a person
}

func (e *Error) Error() string { return string(e.Reason) + ": " + e.Text }

// AppendAnswer appends the message that answers the frame: an OK for an EVENT
// or AUTH whatever it holds, a CLOSED or a NEG-ERR where the client can tell
// what it belongs to, otherwise a NOTICE.
func (e *Error) AppendAnswer(dst []byte) []byte {
	switch {
	case e.Verb == Event || e.Verb == Auth:
		return AppendOK(dst, e.EventID, false, e.Reason, e.Text)
	case e.SubID != "" && (e.Verb == Req || e.Verb == Count):
		return AppendClosed(dst, e.SubID, e.Reason, e.Text)
	case e.SubID != "" && (e.Verb == NegOpen || e.Verb == NegMsg):
		return AppendNegErr(dst, e.SubID, e.Reason, e.Text, 0)
	}
	return AppendNotice(dst, e.Error())
}
