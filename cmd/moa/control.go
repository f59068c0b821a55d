package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"moa/cmd/moa/internal/usage"
	"moa/nips/event"
	"moa/policy/moderation"
)

// The door is the way in for operators: HTTP over a Unix socket in a folder of
// the data folder that only the relay's own user can enter. So there is no
// password and no port.
//
//	GET  /moderation            what is reported, and what was decided
//	GET  /moderation/<pubkey>   one author: the reports, and the events they are about
//	GET  /moderation/waiting    what waits for approval
//	POST /moderation            a decision
//	POST /members               a change of members, roles or invites
//	POST /admin                 a call of the management API (NIP-86)
//	GET  /connections           those that are open (connectionsdoor.go)
//	POST /connections/close     some are to end
//	POST /backup                everything, as a stream (storedoor.go)
//	POST /backup/done           the time of a backup that is whole
//	GET  /export                everything, as JSON lines
//	GET  /stats                 what the store holds (storestatsdoor.go)
func doorPath(data string) string { return filepath.Join(data, "control", "moa.sock") }

// door is the way to a running relay.
type door struct{ data string }

// ask sends a request, with in as JSON if it is not nil, and reads the answer into out,
// if that is not nil.
func (d door) ask(ctx context.Context, method, path string, in, out any) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(text)
	}
	res, err := d.open(ctx, method, path, body)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if out == nil {
		return nil
	}
	return json.NewDecoder(res.Body).Decode(out)
}

// open sends a request, and returns an answer that is no refusal.
func (d door) open(ctx context.Context, method, path string, body io.Reader) (*http.Response, error) {
	socket := doorPath(d.data)
	client := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
		DisableKeepAlives: true,
	}}
	req, err := http.NewRequestWithContext(ctx, method, "http://relay"+path, body)
	if err != nil {
		return nil, err
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, usage.Errorf("no relay can be reached at %s; does it run with this data folder (--config or --data), and as your user? %w", socket, err)
	}
	if res.StatusCode == http.StatusOK {
		return res, nil
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return nil, err
	}
	return nil, usage.Errorf("%s", strings.TrimSpace(string(text)))
}

// moderated is the answer about everything.
type moderated struct {
	Cases     []moderation.Case `json:"cases"`
	Decisions []decision        `json:"decisions"`
}

// outcome is the answer to a decision. It does not repeat all others: there may be very
// many.
type outcome struct {
	Cases   int  `json:"cases"`             // that are open still
	Removed int  `json:"removed,omitempty"` // events, by the decision
	Unknown bool `json:"unknown,omitempty"` // its event was not stored
}

// waits is an event that waits for approval.
type waits struct {
	Since int64           `json:"since"` // Unix seconds
	Until int64           `json:"until"` // then it is dropped
	Event json.RawMessage `json:"event"`
}

// reported is the answer about one author.
type reported struct {
	Case     *moderation.Case  `json:"case"`               // null: nothing is open
	Decision *decision         `json:"decision,omitempty"` // that is in force
	Reporter bool              `json:"reporter"`           // the author's own reports count
	Reports  []json.RawMessage `json:"reports"`            // of trusted people and others, the newest first
	Trusted  []event.PubKey    `json:"trusted"`            // the authors of reports that are trusted reporters
	Events   []json.RawMessage `json:"events"`             // those of the case that are stored
}
