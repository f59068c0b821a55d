package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// Info is the part of a relay's NIP-11 document that a load test heeds. A
// limit of 0 is not stated.
type Info struct {
	Name     string `json:"name,omitempty"`
	Software string `json:"software,omitempty"`
	Version  string `json:"version,omitempty"`
	NIPs     []any  `json:"supported_nips,omitempty"`
	Limits   Limits `json:"limitation"`
}

// Limits are NIP-11's limitation.
type Limits struct {
	MessageLength int   `json:"max_message_length,omitempty"`
	Subscriptions int   `json:"max_subscriptions,omitempty"`
	Limit         int   `json:"max_limit,omitempty"`
	EventTags     int   `json:"max_event_tags,omitempty"`
	ContentLength int   `json:"max_content_length,omitempty"` // characters
	MinPoW        int   `json:"min_pow_difficulty,omitempty"`
	AuthRequired  bool  `json:"auth_required,omitempty"`
	LowerTime     int64 `json:"created_at_lower_limit,omitempty"` // seconds back
	UpperTime     int64 `json:"created_at_upper_limit,omitempty"` // seconds ahead
}

// Supports reports whether the relay lists the NIP.
func (i *Info) Supports(nip int) bool {
	return slices.ContainsFunc(i.NIPs, func(n any) bool { return n == float64(nip) })
}

// FetchInfo asks the relay for its NIP-11 document.
func FetchInfo(ctx context.Context, target string) (*Info, error) {
	if !strings.HasPrefix(target, "ws") {
		return nil, fmt.Errorf("%s is not a ws:// or wss:// URL", target)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http"+strings.TrimPrefix(target, "ws"), nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Accept", "application/nostr+json")
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("NIP-11 of %s: %s", target, res.Status)
	}
	info := new(Info)
	if err := json.NewDecoder(io.LimitReader(res.Body, 1<<20)).Decode(info); err != nil {
		return nil, fmt.Errorf("NIP-11 of %s: %w", target, err)
	}
	return info, nil
}
