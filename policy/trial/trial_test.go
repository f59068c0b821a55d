package trial_test

import (
	"context"
	"testing"
	"time"

	"moa/nips/event"
	"moa/policy"
	"moa/policy/builtin"
	"moa/policy/trial"
)

// on has a chain of policies on trial.
func on(t *testing.T, o trial.Options, report policy.Report, tables ...map[string]any) *trial.Trial {
	t.Helper()
	tr := trial.New(o)
	chain, bad := builtin.Build(tr.Env(), report, tables)
	if bad != nil {
		t.Fatal(bad)
	}
	tr.Chain = chain
	return tr
}

func note(n byte, at int64, kind uint16) *event.Event {
	return &event.Event{ID: event.ID{n}, PubKey: event.PubKey{1}, Kind: kind, CreatedAt: at}
}

// What counts over time counts as it would have: the clock is that of the events.
func TestWritesAreAskedAboutAtTheirTime(t *testing.T) {
	for _, eventTime := range []bool{true, false} {
		w := trial.NewWrites(1)
		tr := on(t, trial.Options{EventTime: eventTime}, w.Report,
			map[string]any{"use": "rate", "count": int64(1), "burst": int64(1), "interval": "1h"}, map[string]any{"use": "kinds", "deny": "7"})
		now := time.Now().Unix()
		events := []*event.Event{note(1, now-7200, 1), note(2, now-3600, 1), note(3, now, 1), note(4, now, 7), note(5, now, event.KindVanish)}
		err := tr.Run(t.Context(), func(time.Duration, []string) { t.Error("not ready") }, func(ctx context.Context) error {
			return w.Ask(ctx, tr, events)
		})
		if err != nil {
			t.Fatal(err)
		}
		want := map[bool]int{true: 3, false: 1}[eventTime]
		if w.Fates["accept"] != want || w.Fates["reject"] != 4-want || w.Fates[trial.Unasked] != 1 {
			t.Errorf("event time %v: %v", eventTime, w.Fates)
		}
	}
}

func TestReadsFindWhatTheClientMaySee(t *testing.T) {
	var missed int
	author := event.PubKey{1}
	letter := note(1, 10, 4)
	letter.Tags = []event.Tag{{"p", event.PubKey{2}.String()}}
	store := trial.Events{List: []*event.Event{letter, note(2, 20, 1), note(3, 30, 1)}, Limit: func(f *event.Filter) int { return 1 }}
	questions, err := trial.ParseQuestions([]byte(`[{"kinds":[1]},{"authors":["` + author.String() + `"]}]`))
	if err != nil || len(questions) != 2 {
		t.Fatal(questions, err)
	}
	questions[1].Count = true
	for _, c := range []struct {
		as            []event.PubKey
		shown, hidden int
	}{
		{nil, 1 + 2, 1}, {[]event.PubKey{author}, 1 + 3, 0},
	} {
		r := trial.NewReads(1)
		tr := on(t, trial.Options{As: c.as, NoStore: func() { missed++ }}, r.Report)
		tr.Store = store
		if err := r.Ask(t.Context(), tr, questions); err != nil {
			t.Fatal(err)
		}
		if r.Filters != 2 || r.Refused != 0 || r.Shown != c.shown || r.Hidden != c.hidden {
			t.Errorf("as %v: %+v", c.as, r)
		}
		x := tr.ExplainRead(letter)
		if (x.Decision == "accept") != (c.as != nil) {
			t.Errorf("as %v: %+v", c.as, x)
		}
	}
	if missed != 0 {
		t.Error("a store was missed")
	}
}

func TestEveryPolicyExplainsItself(t *testing.T) {
	tr := on(t, trial.Options{}, nil, map[string]any{"use": "kinds", "deny": "7"}, map[string]any{"use": "limits", "content": int64(1)})
	e := note(1, time.Now().Unix(), 7)
	e.Content = "long"
	x := tr.Explain(t.Context(), e, true)
	refused := 0
	for _, p := range x.Policies {
		if p.Action == "reject" {
			refused++
		}
	}
	if x.Decision != "reject" || x.By != "kinds" || refused != 2 {
		t.Errorf("%+v", x)
	}
}
