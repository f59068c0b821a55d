// Package nip70 finds protected events inside reposts. That an event itself is
// protected, event.Event.Protected tells.
package nip70

import (
	"moa/nips/event"
	"moa/nips/internal/scan"
)

// maxReposts is how many reposts inside one another are looked into.
const maxReposts = 8

// Leaks reports whether e is a repost (NIP-18) whose content is a protected
// event, or a repost of one in turn. The content is read as JSON however loosely
// written, for clients read it loosely too.
func Leaks(e *event.Event) bool {
	if e.Kind != event.KindRepost && e.Kind != event.KindGenericRepost {
		return false
	}
	content := []byte(e.Content)
	for range maxReposts {
		protected, inner := look(content)
		if protected {
			return true
		}
		if len(inner) == 0 || inner[0] != '{' {
			return false
		}
		content = inner
	}
	return true // nobody reposts that deep in good faith
}

// look reads an event's object: whether any of its `tags` has one of the name
// "-", and what its `content` holds, if that is a string.
func look(object []byte) (protected bool, content []byte) {
	s := scan.Scanner{Text: object}
	if !s.Take('{') {
		return false, nil
	}
	for {
		key, err := s.String()
		if err != nil || !s.Take(':') {
			return protected, content
		}
		name := string(scan.AppendUnquoted(nil, key))
		value, err := s.Skip()
		if err != nil {
			return protected, content
		}
		switch v := (scan.Scanner{Text: value}); name {
		case "tags":
			protected = protected || hasMark(&v)
		case "content":
			if str, err := v.String(); err == nil {
				content = scan.AppendUnquoted(nil, str)
			}
		}
		if !s.Take(',') {
			return protected, content
		}
	}
}

// hasMark reports whether an array of arrays has one that begins with "-".
func hasMark(s *scan.Scanner) bool {
	if !s.Take('[') {
		return false
	}
	for {
		tag, err := s.Skip()
		if err != nil {
			return false
		}
		t := scan.Scanner{Text: tag}
		if t.Take('[') {
			if name, err := t.String(); err == nil && string(scan.AppendUnquoted(nil, name)) == "-" {
				return true
			}
		}
		if !s.Take(',') {
			return false
		}
	}
}
