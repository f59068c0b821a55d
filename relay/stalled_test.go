package relay_test

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"

	"moa/nips/event"
	"moa/relay"
	"moa/relay/relaytest"
)

// Readers that ask for everything and then do not read share what waits for
// them: ten of them hold little more than one may, however much is offered, and
// nothing once they are cut.
func TestStalledReadersShareWhatWaits(t *testing.T) {
	const stalled, size, total = 10, 30_000, 1200 // 36 MB for each, 360 in all
	r := start(t, func(*relay.Config) {})
	w, good := r.Dial(t), r.Dial(t)
	good.Stored(t, "all", `{"kinds":[20001]}`)
	for range stalled {
		dialRaw(t, r).say(t, `["REQ","all",{"kinds":[20001]}]`)
	}
	relaytest.Eventually(t, "all subscribe", func() bool { return r.Metric(t, "moa_subscriptions") == stalled+1 })
	content := strings.Repeat("x", size)
	before := heap()
	var most uint64
	for i := range total {
		e := alice.Sign(t, event.Event{Kind: 20001, CreatedAt: time.Now().Unix(), Content: content + fmt.Sprint(i)})
		w.Accepted(t, e)
		if got := good.Event(t, "all"); got.ID != e.ID {
			t.Fatal("another event")
		}
		if i%50 == 49 {
			now := heap()
			most = max(most, now-min(now, before))
		}
	}
	t.Logf("%d KB at most", most>>10)
	if limit := uint64(3 * relay.DefaultConfig().Limits.OutboxBytes); most > limit {
		t.Errorf("%d readers that do not read hold %d KB", stalled, most>>10)
	}
	relaytest.Eventually(t, "they are cut", func() bool {
		return r.Metric(t, "moa_connections_dropped_total", "reason", "slow_consumer") == stalled
	})
	relaytest.Eventually(t, "what they held is given back", func() bool { return heap() < before+1<<20 })
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
