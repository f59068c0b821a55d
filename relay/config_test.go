package relay

import (
	"reflect"
	"testing"
	"time"

	"moa/policy/conf"
)

func TestAConfigNamesAllItsFaults(t *testing.T) {
	c := DefaultConfig()
	if bad := c.Validate(); bad != nil {
		t.Fatal(bad)
	}
	c.Listen, c.MetricsListen = "nowhere", "127.0.0.1:http"
	c.URL, c.Info.PubKey, c.Info.Software = "wss://a.example/path", "x", "moa"
	c.Limits.Limit, c.Limits.Counts, c.Sync.FrameBytes, c.Sync.TotalEvents = 0, 0, 1, 1
	c.WriteTimeout, c.Geo.Replay, c.Geo.ReplayKinds, c.Geo.ReplayEvents = 0, time.Minute, []int{1}, 0
	c.Self.Every = time.Second
	want := `clients.write_timeout: 0s is not a positive time
geo.replay_events: 0 is less than 1
geo.replay_kinds: 1 is not an ephemeral kind, 20000 to 29999
info.pubkey: "x" is not a public key: want 64 lower-case hex characters
info.software: "moa" is not a URL
limits.counts: 0 is less than 1
limits.default_limit: 500 is more than limits.limit, 0
limits.limit: 0 is less than 1
listen: "nowhere" is no address: want "HOST:PORT", "127.0.0.1:7447" or ":7447"
metrics.listen: "127.0.0.1:http" is no address: its port is no number from 0 to 65535
self.every: 1s is less than 1m0s
sync.frame_bytes: 1 is less than 4096
sync.total_events: 1 is less than sync.events, 1000000
url: "wss://a.example/path" has a path; the relay is served at / only`
	if got := c.Validate().Err().Error(); got != want {
		t.Errorf("the faults are\n%s\nwant\n%s", got, want)
	}
}

func TestEveryLimitHasABound(t *testing.T) {
	var none Config
	for l := range conf.Leaves(&none.Limits) {
		l.Value.SetInt(-1)
	}
	if bad := conf.Check("limits", &none.Limits); len(bad) != reflect.TypeFor[Limits]().NumField() {
		t.Errorf("only these have one: %v", bad)
	}
}
