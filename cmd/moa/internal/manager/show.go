package manager

import (
	"encoding/json"
	"fmt"
	"io"

	"moa/cmd/moa/internal/terminal"
	"moa/nips/event"
	"moa/nips/nip19"
)

// Shown is what Show has shown.
type Shown struct {
	Listed  bool // a list whose entries have a name
	Entries int
	Last    string // the name of the last entry
}

// Show writes a result for a person. What a relay says may not reach a terminal as it is.
func Show(w io.Writer, result json.RawMessage) (s Shown, err error) {
	var list []json.RawMessage
	if string(result) == "true" {
		_, err = fmt.Fprintln(w, "done")
		return s, err
	}
	if string(result) == "null" || json.Unmarshal(result, &list) != nil {
		return s, terminal.PrintJSON(terminal.Writer{Writer: w}, result)
	}
	if len(list) == 0 {
		_, err = fmt.Fprintln(w, "nothing")
		return s, err
	}
	for _, one := range list {
		line, name := entry(one)
		if name != "" {
			s = Shown{true, s.Entries + 1, name}
		}
		if _, err := fmt.Fprintln(w, line); err != nil {
			return s, err
		}
	}
	return s, nil
}

// entry is an entry of a list on one line, and what names it in the list.
func entry(raw json.RawMessage) (line, name string) {
	var e struct {
		PubKey *event.PubKey `json:"pubkey"`
		ID     string        `json:"id"`
		IP     string        `json:"ip"`
		Reason string        `json:"reason"`
	}
	var text string
	switch {
	case json.Unmarshal(raw, &text) == nil:
		return terminal.Line(text), ""
	case json.Unmarshal(raw, &e) != nil:
		return terminal.Line(string(raw)), ""
	case e.PubKey != nil:
		line, name = nip19.Npub(*e.PubKey), e.PubKey.String()
	case e.ID != "":
		line, name = terminal.Line(e.ID), terminal.Line(e.ID)
	case e.IP != "":
		line, name = fmt.Sprintf("%-43s", terminal.Line(e.IP)), terminal.Line(e.IP)
	default:
		return terminal.Line(string(raw)), ""
	}
	if e.Reason != "" {
		line += "  " + terminal.Line(e.Reason)
	}
	return line, name
}
