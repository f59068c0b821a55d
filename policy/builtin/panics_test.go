package builtin

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"moa/nips/event"
	"moa/policy"
)

// An expression that fails costs the answers it was to give. It is told like a
// panic, which it is in what runs expressions.
func TestExpressionsThatFailAreReported(t *testing.T) {
	chain, faults := build(t, "[[policy]]\nuse='expr'\naccept='tags[5][0] == \"x\"'\n[[policy]]\nuse='expr'\nname='fine'\naccept='kind == 1'")
	if faults != nil {
		t.Fatal(faults)
	}
	var told []string
	stacks := 0
	chain.OnPanic(func(n *policy.Named, value any, stack []byte) {
		told = append(told, n.Name+" "+value.(error).Error())
		if stack != nil {
			stacks++
		}
	})
	p := chain.Links()[len(chain.Links())-2].Policy
	for range 3 {
		expect(t, "fails", ask(p, nobody, note(alice)), "error: a check that this relay makes cannot be made")
	}
	if len(told) != 3 || stacks != 1 || !strings.HasPrefix(told[0], "expr ") || !strings.Contains(told[0], "tags[5]") {
		t.Errorf("%d stacks, %q", stacks, told)
	}
	six := note(alice)
	for range 6 {
		six.Tags = append(six.Tags, event.Tag{"x"})
	}
	expect(t, "does not", ask(p, nobody, six), "")
	if len(told) != 3 {
		t.Errorf("%q", told)
	}
}

// A panic while a list is read costs that reading.
func TestAPanicWhileAListIsReadCostsOneReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var times atomic.Int32
		all := stored(follows(alice, bob))
		env := policy.Env{Stored: func(ctx context.Context, f *event.Filter, found func(*event.Event) error) error {
			if times.Add(1) == 1 {
				panic("the first time")
			}
			return all(ctx, f, found)
		}}
		p := running(t, env, map[string]any{"use": "allow", "follows_of": []any{key(alice)}})
		synctest.Wait()
		if times.Load() != 1 {
			t.Errorf("read %d times", times.Load())
		}
		time.Sleep(retryInterval)
		synctest.Wait()
		expect(t, "bob", ask(p, nobody, note(bob)), "")
	})
}

// A panic while reports are read ends the policy's work, and is returned.
func TestAPanicWhileReportsAreReadIsReturned(t *testing.T) {
	env := policy.Env{Stored: func(_ context.Context, f *event.Filter, _ func(*event.Event) error) error {
		if f.HasKind(event.KindReport) {
			panic("in a report")
		}
		return nil
	}}
	chain, faults := Build(env, nil, []map[string]any{{"use": "moderation", "reporters": map[string]any{"follows_of": []any{key(alice)}}}})
	if faults != nil {
		t.Fatal(faults)
	}
	err := chain.Run(t.Context())
	var p *policy.PanicError
	if !errors.As(err, &p) || p.Value != "in a report" || !strings.Contains(policy.Stack(err).Value.String(), "panics_test.go") {
		t.Errorf("%v", err)
	}
}
