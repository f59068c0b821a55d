package manager

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip86"
)

const (
	callTime  = time.Minute
	maxAnswer = 16 << 20 // bytes
)

// Target is the URL of a relay as HTTP has it.
func Target(relay string) (string, error) {
	u, err := url.Parse(relay)
	if err != nil {
		return "", err
	}
	switch u.Scheme {
	case "ws", "wss":
		u.Scheme = "http" + strings.TrimPrefix(u.Scheme, "ws")
	case "http", "https":
	default:
		return "", fmt.Errorf("%q does not begin with ws://, wss://, http:// or https://", relay)
	}
	if u.Host == "" || u.User != nil {
		return "", fmt.Errorf("%q is no URL of a relay", relay)
	}
	if u.Path == "" {
		u.Path = "/"
	}
	u.Fragment = ""
	return u.String(), nil
}

// Send makes a signed call, and returns its result.
func Send(ctx context.Context, target string, c *Call, sign Signer) (json.RawMessage, error) {
	body, err := json.Marshal(c.Request)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(body)
	signed, err := sign(ctx, event.Event{Kind: event.KindHTTPAuth, CreatedAt: time.Now().Unix(), Tags: []event.Tag{
		{"u", target},
		{"method", http.MethodPost},
		{"payload", hex.EncodeToString(sum[:])},
		{"random", rand.Text()}, // the same call of the same second is another event, and no replay
	}})
	if err != nil {
		return nil, fmt.Errorf("sign the call: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, callTime)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", nip86.ContentType)
	req.Header.Set("Authorization", "Nostr "+base64.StdEncoding.EncodeToString(signed.Append(nil)))
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return answerOf(res)
}

func answerOf(res *http.Response) (json.RawMessage, error) {
	if to := res.Header.Get("Location"); to != "" && res.StatusCode/100 == 3 {
		return nil, fmt.Errorf("the relay sends calls on to %s, and they are signed for one URL: name that", to)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	answer, err := nip86.ParseResponse(text)
	switch {
	case err != nil || answer.Error == "" && res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the answer is %s, and none of the management API: does this relay have it?", res.Status)
	case res.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("the relay says %d: %s", res.StatusCode, answer.Error)
	}
	return Result(answer)
}

// Result is what an answer tells, or the error that it tells.
func Result(answer nip86.Response) (json.RawMessage, error) {
	if answer.Error != "" {
		return nil, errors.New("the relay says: " + answer.Error)
	}
	return answer.Result, nil
}
