package event

import "moa/nips/internal/scan"

// PeekID returns the id that a malformed event claims to have, for the OK that
// refuses it, or "" if none can be read.
func PeekID(raw []byte) string {
	s := scan.Scanner{Text: raw}
	if !s.Take('{') {
		return ""
	}
	for {
		key, err := s.String()
		if err != nil || !s.Take(':') {
			return ""
		}
		value, err := s.Skip()
		if err != nil {
			return ""
		}
		if string(key.Raw) == "id" {
			var id ID
			if len(value) != 66 || !decodeHex(id[:], value[1:65]) {
				return ""
			}
			return string(value[1:65])
		}
		if !s.Take(',') {
			return ""
		}
	}
}
