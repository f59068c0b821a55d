package builtin

import (
	"context"
	"slices"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/conf"
)

type trustConfig struct {
	Roots        []conf.PubKey `toml:"roots"`
	Depth        int           `toml:"depth"`
	MinFollowers int           `toml:"min_followers"`
	Limit        int           `toml:"limit"`
}

var trustDefaults = trustConfig{Depth: 2, MinFollowers: 1, Limit: 1_000_000}

// trustSource walks the follow lists of the store from the roots on.
func trustSource(env *policy.Env, cfg trustConfig, every time.Duration, bad *conf.Faults) *source {
	if cfg.Depth < 1 || cfg.Depth > 5 {
		bad.Add("trust.depth", "%d is not from 1 to 5", cfg.Depth)
	}
	if cfg.MinFollowers < 1 {
		bad.Add("trust.min_followers", "%d is less than 1", cfg.MinFollowers)
	}
	if cfg.Limit < 1 {
		bad.Add("trust.limit", "%d is less than 1", cfg.Limit)
	}
	walked := false
	read := func(ctx context.Context) ([]event.PubKey, bool, error) {
		if env.Stored == nil {
			return nil, false, errNoStore
		}
		w := &trustWalk{trustConfig: cfg, stored: env.Stored, followers: map[event.PubKey]int32{}}
		if walked { // nobody waits for it
			w.pace = newPacer()
		}
		keys, err := w.run(ctx)
		walked = walked || err == nil
		if w.cut {
			env.Log.Warn("the web of trust has reached its limit", "people", len(keys), "limit", cfg.Limit)
		}
		return keys, false, err
	}
	return &source{name: "web of trust", every: every, read: read}
}

// trustWalk is one pass, breadth first, over the follow lists. Its memory is
// one map entry (about 70 bytes) for each person that somebody it reached follows, and
// 32 bytes for each person that it trusts.
type trustWalk struct {
	trustConfig
	stored    func(context.Context, *event.Filter, func(*event.Event) error) error
	followers map[event.PubKey]int32 // how many trusted people follow them; less than 0: trusted already
	trusted   []event.PubKey
	cut       bool   // the limit left somebody out
	pace      *pacer // nil: in one go
}

// authorsAtOnce bounds the filters that the store is asked, and the work before
// it finds the first list.
const authorsAtOnce = 50

func (w *trustWalk) run(ctx context.Context) ([]event.PubKey, error) {
	for _, root := range newKeySet(conf.PubKeys(w.Roots)) {
		w.trust(root)
	}
	nearer := 0 // the people up to here have been asked whom they follow
	for step := range w.Depth {
		edge := slices.Clone(w.trusted[nearer:])
		nearer = len(w.trusted)
		for authors := range slices.Chunk(edge, authorsAtOnce) {
			if err := w.ask(ctx, newKeySet(authors)); err != nil {
				return nil, err
			}
		}
		least := int32(w.MinFollowers)
		if step == 0 {
			least = 1 // whom a root follows is trusted
		}
		w.accept(least)
	}
	w.sort()
	return w.trusted, nil
}

// sort sorts the trusted people beforehand: it is long work in one piece.
func (w *trustWalk) sort() {
	var parts [256][]event.PubKey
	for _, pk := range w.trusted {
		parts[pk[0]] = append(parts[pk[0]], pk)
	}
	w.trusted = w.trusted[:0]
	for _, part := range parts {
		slices.SortFunc(part, event.ComparePubKeys)
		w.trusted = append(w.trusted, part...)
		w.pace.rest()
	}
}

// ask counts whom the authors follow. A list that names somebody twice counts
// once.
func (w *trustWalk) ask(ctx context.Context, authors keySet) error {
	f := &event.Filter{Kinds: []uint16{event.KindFollows}, Authors: authors}
	var list []event.PubKey
	return w.stored(ctx, f, func(e *event.Event) error {
		list = appendMentions(list[:0], e)
		slices.SortFunc(list, event.ComparePubKeys)
		for _, pk := range slices.Compact(list) {
			if n := w.followers[pk]; n >= 0 {
				w.followers[pk] = n + 1
			}
		}
		w.pace.rest()
		return ctx.Err()
	})
}

// accept trusts everybody with enough followers, those with the most first if
// there is no room for all.
func (w *trustWalk) accept(least int32) {
	var next []event.PubKey
	looked := 0
	for pk, n := range w.followers {
		if n >= least {
			next = append(next, pk)
		}
		if looked++; looked%1024 == 0 {
			w.pace.rest()
		}
	}
	if room := w.Limit - len(w.trusted); len(next) > room {
		w.cut = true
		slices.SortFunc(next, func(a, b event.PubKey) int { return int(w.followers[b] - w.followers[a]) })
		next = next[:max(0, room)]
	}
	for _, pk := range next {
		w.trust(pk)
	}
}

func (w *trustWalk) trust(pk event.PubKey) {
	w.followers[pk] = -1
	w.trusted = append(w.trusted, pk)
}
