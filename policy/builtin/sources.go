package builtin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/conf"
	"moa/policy/internal/files"
)

// maxList bounds a list from a file or the web, in bytes: about a million keys.
const maxList = 72 << 20

// fileSource reads a file when it has changed.
func fileSource(path string) *source {
	var last files.Version
	read := func(context.Context) ([]event.PubKey, bool, error) {
		now, err := files.Look(path)
		if err != nil {
			return nil, false, err
		}
		if now.Same(last) {
			return nil, true, nil
		}
		if now.Size() > maxList {
			return nil, false, fmt.Errorf("%s has %d bytes, more than %d", path, now.Size(), maxList)
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return nil, false, err
		}
		keys, err := ParseKeys(path, text)
		if err != nil {
			return nil, false, err
		}
		last = now
		return keys, false, nil
	}
	return &source{name: path, every: fileInterval, read: read}
}

// urlSource fetches a list when its ETag has changed.
func urlSource(client *http.Client, url string, every time.Duration) *source {
	etag := ""
	read := func(ctx context.Context) ([]event.PubKey, bool, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return nil, false, err
		}
		if etag != "" {
			req.Header.Set("If-None-Match", etag)
		}
		resp, err := client.Do(req)
		if err != nil {
			return nil, false, err
		}
		defer resp.Body.Close()
		switch resp.StatusCode {
		case http.StatusNotModified:
			return nil, true, nil
		case http.StatusOK:
		default:
			return nil, false, fmt.Errorf("%s: %s", url, resp.Status)
		}
		text, err := io.ReadAll(io.LimitReader(resp.Body, maxList+1))
		if err != nil {
			return nil, false, fmt.Errorf("%s: %w", url, err)
		}
		if len(text) > maxList {
			return nil, false, fmt.Errorf("%s has more than %d bytes", url, maxList)
		}
		keys, err := ParseKeys(url, text)
		if err != nil {
			return nil, false, err
		}
		etag = resp.Header.Get("ETag")
		return keys, false, nil
	}
	return &source{name: url, every: every, read: read}
}

var errNoStore = errors.New("there is no store to read it from")

// followSource collects the p tags of the authors' follow lists.
func followSource(env *policy.Env, authors []event.PubKey, every time.Duration) *source {
	set := newKeySet(authors)
	f := &event.Filter{Kinds: []uint16{event.KindFollows}, Authors: set}
	s := storeSource(env, "follow lists", f, every)
	s.wants = func(_ policy.Client, e *event.Event) bool { return e.Kind == event.KindFollows && set.has(e.PubKey) }
	return s
}

// listSource collects the p tags of one NIP-51 list.
func listSource(env *policy.Env, a conf.Address, every time.Duration) *source {
	f := &event.Filter{Kinds: []uint16{a.Kind}, Authors: []event.PubKey{a.PubKey}}
	if event.Addressable(a.Kind) && a.D != "" {
		f.Tags = []event.TagFilter{{Name: 'd', Values: []string{a.D}}}
	}
	s := storeSource(env, a.String(), f, every)
	s.wants = func(_ policy.Client, e *event.Event) bool { return f.Matches(e) }
	return s
}

// storeSource collects the p tags of stored events.
func storeSource(env *policy.Env, name string, f *event.Filter, every time.Duration) *source {
	read := func(ctx context.Context) (keys []event.PubKey, _ bool, err error) {
		if env.Stored == nil {
			return nil, false, errNoStore
		}
		err = env.Stored(ctx, f, func(e *event.Event) error {
			keys = appendMentions(keys, e)
			return nil
		})
		return keys, false, err
	}
	return &source{name: name, every: every, read: read}
}

// appendMentions appends the keys in e's p tags.
func appendMentions(keys []event.PubKey, e *event.Event) []event.PubKey {
	for _, t := range e.Tags {
		if t[0] != "p" {
			continue
		}
		if pk, ok := t.PubKey(); ok {
			keys = append(keys, pk)
		}
	}
	return keys
}
