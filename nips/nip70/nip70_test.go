package nip70_test

import (
	"encoding/json"
	"testing"

	"moa/nips/event"
	"moa/nips/nip70"
)

func repost(content string) string {
	text, err := json.Marshal(map[string]any{"kind": 6, "tags": [][]string{}, "content": content})
	if err != nil {
		panic(err)
	}
	return string(text)
}

func TestLeaks(t *testing.T) {
	nested := `{"tags":[["-"]]}`
	for range 3 {
		nested = repost(nested)
	}
	endless := "{}"
	for range 9 {
		endless = repost(endless)
	}
	for _, c := range []struct {
		name    string
		kind    uint16
		content string
		want    bool
	}{
		{"NIP70.3 protected", 6, `{"tags":[["-"]]}`, true},
		{"NIP70.3 generic repost", 16, `{"tags":[["-"]]}`, true},
		{"NIP70.3 spaced", 6, " {\"kind\":1,\n\"tags\" : [ [\"e\",\"x\"], [ \"-\" ] ] }", true},
		{"NIP70.2 with a value", 6, `{"tags":[["-","x"]]}`, true},
		{"NIP70.3 escaped", 6, `{"t\u0061gs":[["\u002d"]]}`, true},
		{"NIP70.3 the second tags", 6, `{"tags":[],"tags":[["-"]]}`, true},
		{"NIP70.3 cut off", 6, `{"tags":[["-"]]`, true},
		{"NIP70.3 a repost of a repost", 6, nested, true},
		{"NIP70.3 endless", 6, endless, true},
		{"NIP70.3 a note is no repost", 1, `{"tags":[["-"]]}`, false},
		{"NIP70.3 text", 6, `["-"]`, false},
		{"NIP70.3 in the content's text", 6, `{"tags":[],"content":"[\"-\"]"}`, false},
		{"NIP70.3 as a value", 6, `{"tags":[["t","-"]]}`, false},
		{"NIP70.3 elsewhere", 6, `{"x":[["-"]],"tags":[]}`, false},
		{"NIP70.3 empty", 6, ``, false},
		{"NIP70.3 empty tag", 6, `{"tags":[[],{},1,null]}`, false},
		{"NIP70.3 plain", 6, `{"tags":[["e","x"]],"content":"y"}`, false},
	} {
		if got := nip70.Leaks(&event.Event{Kind: c.kind, Content: c.content}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
