package builtin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/policy/conf"
)

// mostBadKeys is how many of the bad keys of one list are told one by one.
const mostBadKeys = 10

// badKeys are what is no public key in a list of people, all of it at once.
type badKeys struct {
	told []string // the first, each with its place
	more int      // and so many
	name string   // the list
}

func (b *badKeys) Error() string {
	text := strings.Join(b.told, "; ")
	if b.more > 0 {
		text += "; " + b.rest()
	}
	return text
}

// rest tells of those that are not told one by one.
func (b *badKeys) rest() string { return fmt.Sprintf("%s: and %d more like these", b.name, b.more) }

// fileFaults adds what is wrong with a file, or why it cannot be read.
func fileFaults(bad *conf.Faults, path, file string, err error) {
	b, ok := errors.AsType[*badKeys](err)
	if !ok {
		bad.AddOf(file, path, err.Error())
		return
	}
	for _, text := range b.told {
		bad.AddOf(file, path, text)
	}
	if b.more > 0 {
		*bad = append(*bad, conf.Fault{Path: path, File: file, Wrong: b.rest(), Count: b.more})
	}
}

// keyList is a list of people that is being read.
type keyList struct {
	keys []event.PubKey
	bad  badKeys
}

// add takes one of the keys; where it stands is for people.
func (l *keyList) add(where, text string) {
	pk, err := conf.ParsePubKey(text)
	switch {
	case err == nil:
		l.keys = append(l.keys, pk)
	case len(l.bad.told) < mostBadKeys:
		l.bad.told = append(l.bad.told, fmt.Sprintf("%s%s: %v", l.bad.name, where, err))
	default:
		l.bad.more++
	}
}

// ParseKeys reads a list of people: one hex or npub a line, with anything
// behind it and lines that start with # as comments; or a JSON list of such
// strings; or a NIP-05 document.
func ParseKeys(name string, text []byte) ([]event.PubKey, error) {
	l := keyList{bad: badKeys{name: name}}
	var err error
	text = bytes.TrimPrefix(text, []byte("\ufeff"))
	switch first := bytes.TrimSpace(text); {
	case bytes.HasPrefix(first, []byte("[")):
		err = l.readArray(first)
	case bytes.HasPrefix(first, []byte("{")):
		err = l.readNames(first)
	default:
		l.readLines(text)
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("%s: %w", name, err)
	case len(l.bad.told) > 0:
		return nil, &l.bad
	}
	return l.keys, nil
}

func (l *keyList) readArray(text []byte) error {
	var list []string
	if err := json.Unmarshal(text, &list); err != nil {
		return err
	}
	for i, s := range list {
		l.add(fmt.Sprintf(": %d", i), s)
	}
	return nil
}

func (l *keyList) readNames(text []byte) error {
	var doc struct{ Names map[string]string }
	if err := json.Unmarshal(text, &doc); err != nil {
		return err
	}
	if doc.Names == nil {
		return errors.New(`a JSON object without "names" (NIP-05)`)
	}
	for _, name := range slices.Sorted(maps.Keys(doc.Names)) {
		l.add(fmt.Sprintf(": %.80q", name), doc.Names[name])
	}
	return nil
}

func (l *keyList) readLines(text []byte) {
	n := 0
	for line := range bytes.Lines(text) {
		n++
		line = bytes.TrimSpace(line)
		if len(line) > 0 && line[0] != '#' {
			l.add(fmt.Sprintf(":%d", n), string(bytes.Fields(line)[0]))
		}
	}
}
