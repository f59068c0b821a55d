package relay

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"moa/nips/event"
	"moa/policy"
)

// stuck is a policy whose list never comes.
type stuck struct{ never chan struct{} }

func (stuck) Event(context.Context, policy.Client, *event.Event) policy.Verdict {
	return policy.Verdict{}
}
func (stuck) Run(ctx context.Context) error { <-ctx.Done(); return nil }
func (s stuck) Loaded() <-chan struct{}     { return s.never }

func TestAListThatNeverComesDoesNotHoldUpAReload(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var text bytes.Buffer
		var all tasks
		var c chainRunner
		ctx, stop := context.WithCancel(t.Context())
		c.start(ctx, &all, slog.New(slog.NewTextHandler(&text, nil)))
		began := time.Now()
		c.load(policy.NewChain(nil, policy.Named{Name: "members", Policy: stuck{make(chan struct{})}}))
		if took := time.Since(began); took != loadTime {
			t.Errorf("it took %v", took)
		}
		if !strings.Contains(text.String(), "policies=[members]") {
			t.Errorf("the log says %q", &text)
		}
		began = time.Now()
		time.AfterFunc(time.Second, stop) // the relay is shut down meanwhile
		c.load(policy.NewChain(nil, policy.Named{Name: "members", Policy: stuck{make(chan struct{})}}))
		if took := time.Since(began); took != time.Second {
			t.Errorf("a shutdown had to wait %v", took)
		}
		all.wg.Wait()
	})
}
