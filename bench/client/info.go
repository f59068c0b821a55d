package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// Info is the part of a relay's NIP-11 document that a load test heeds. A
// limit of 0 is not stated.
type Info struct {
	Name     string
	Software string
	Version  string
	NIPs     []int
	Limits   Limits
}

// Limits are NIP-11's limitation.
type Limits struct {
	MessageLength int
	Subscriptions int
	Limit         int
	EventTags     int
	ContentLength int // characters
	MinPoW        int
	LowerTime     int64 // of created_at, seconds back
	UpperTime     int64 // seconds ahead
	// Closed names what the relay asks of its clients: auth, payment, or leave
	// to write.
	Closed []string
}

// parseInfo reads a document. Relays in the wild write numbers as text or with a
// fraction, and leave out what they like: what cannot be read is not stated.
func parseInfo(text []byte) (*Info, error) {
	var doc map[string]any
	if err := json.Unmarshal(text, &doc); err != nil {
		return nil, err
	}
	limits, _ := doc["limitation"].(map[string]any)
	number := func(key string) int64 { return wholeNumber(limits[key]) }
	i := &Info{Name: plain(doc["name"]), Software: plain(doc["software"]), Version: plain(doc["version"]), Limits: Limits{
		MessageLength: int(number("max_message_length")), Subscriptions: int(number("max_subscriptions")), Limit: int(number("max_limit")),
		EventTags: int(number("max_event_tags")), ContentLength: int(number("max_content_length")), MinPoW: int(number("min_pow_difficulty")),
		LowerTime: number("created_at_lower_limit"), UpperTime: number("created_at_upper_limit"),
	}}
	for _, key := range []string{"auth_required", "payment_required", "restricted_writes"} {
		if limits[key] == true {
			i.Limits.Closed = append(i.Limits.Closed, key)
		}
	}
	nips, _ := doc["supported_nips"].([]any)
	for _, n := range nips {
		if n := wholeNumber(n); n > 0 {
			i.NIPs = append(i.NIPs, int(n))
		}
	}
	return i, nil
}

// wholeNumber reads a JSON number, or text that holds one; 0 for anything else.
func wholeNumber(v any) int64 {
	f, ok := v.(float64)
	if !ok {
		f, _ = strconv.ParseFloat(plain(v), 64)
	}
	if f < 0 || f > math.MaxInt32 { // nonsense, or no limit
		return 0
	}
	return int64(f)
}

func plain(v any) string {
	s, _ := v.(string)
	return s
}

// Supports reports whether the relay lists the NIP.
func (i *Info) Supports(nip int) bool { return slices.Contains(i.NIPs, nip) }

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
	text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("NIP-11 of %s: %w", target, err)
	}
	info, err := parseInfo(text)
	if err != nil {
		return nil, fmt.Errorf("NIP-11 of %s: %w", target, err)
	}
	return info, nil
}
