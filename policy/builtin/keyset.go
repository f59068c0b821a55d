package builtin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"moa/nips/event"
	"moa/policy/conf"
)

// keySet is a set of public keys: sorted, each once, 32 bytes apiece. It does
// not change once it is made.
type keySet []event.PubKey

func newKeySet(lists ...[]event.PubKey) keySet {
	all := slices.Concat(lists...)
	slices.SortFunc(all, event.ComparePubKeys)
	return slices.Clip(slices.Compact(all))
}

func (s keySet) has(pk event.PubKey) bool {
	_, ok := slices.BinarySearchFunc(s, pk, event.ComparePubKeys)
	return ok
}

// parseKeys reads a list of people: one hex or npub a line, with anything
// behind it and lines that start with # as comments; or a JSON list of such
// strings; or a NIP-05 document.
func parseKeys(name string, text []byte) ([]event.PubKey, error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if len(text) == 0 {
		return nil, nil
	}
	switch text[0] {
	case '[':
		var list []string
		if err := json.Unmarshal(text, &list); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		return keysOf(name, slices.All(list))
	case '{':
		var doc struct{ Names map[string]string }
		if err := json.Unmarshal(text, &doc); err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if doc.Names == nil {
			return nil, fmt.Errorf(`%s: a JSON object without "names" (NIP-05)`, name)
		}
		return keysOf(name, func(yield func(string, string) bool) {
			for name, key := range doc.Names {
				if !yield(name, key) {
					return
				}
			}
		})
	}
	return keyLines(name, text)
}

func keysOf[W any](name string, list func(yield func(W, string) bool)) (keys []event.PubKey, err error) {
	for where, s := range list {
		pk, err := conf.ParsePubKey(s)
		if err != nil {
			return nil, fmt.Errorf("%s: %v: %w", name, where, err)
		}
		keys = append(keys, pk)
	}
	return keys, nil
}

func keyLines(name string, text []byte) (keys []event.PubKey, err error) {
	lines := bufio.NewScanner(bytes.NewReader(text))
	for n := 1; lines.Scan(); n++ {
		words := strings.Fields(lines.Text())
		if len(words) == 0 || strings.HasPrefix(words[0], "#") {
			continue
		}
		pk, err := conf.ParsePubKey(words[0])
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %w", name, n, err)
		}
		keys = append(keys, pk)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return keys, nil
}
