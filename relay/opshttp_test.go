package relay_test

import (
	"cmp"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"moa/relay"
)

// What shows the process's inside is for those that sit at the machine, unless the
// operator says otherwise.
func TestMetricsBesideTheRelayAreForThisMachine(t *testing.T) {
	const here, elsewhere, proxy = "127.0.0.1:5", "203.0.113.1:5", "10.0.0.1:5"
	forwarded := func(ip string) []string { return []string{"X-Forwarded-For", ip} }
	for _, c := range []struct {
		name   string
		public bool
		peer   string
		header []string
		want   [2]int // of /metrics and /debug/pprof/cmdline
	}{
		{"this machine", false, here, nil, [2]int{200, 200}},
		{"this machine by IPv6", false, "[::1]:5", nil, [2]int{200, 200}},
		{"elsewhere", false, elsewhere, nil, [2]int{403, 403}},
		{"elsewhere, and says it is here", false, elsewhere, forwarded("127.0.0.1"), [2]int{403, 403}},
		{"behind a proxy", false, proxy, forwarded("203.0.113.1"), [2]int{403, 403}},
		{"behind a proxy, and says it is here", false, proxy, forwarded("127.0.0.1"), [2]int{403, 403}},
		{"behind a proxy here that is not trusted", false, here, forwarded("203.0.113.1"), [2]int{403, 403}},
		{"the same, by another header", false, here, []string{"Forwarded", "for=203.0.113.1"}, [2]int{403, 403}},
		{"this machine by name", false, here, []string{"Host", "LocalHost:7447"}, [2]int{200, 200}},
		{"this machine by its address", false, here, []string{"Host", "[::1]:7447"}, [2]int{200, 200}},
		{"a web page whose name points here", false, here, []string{"Host", "evil.example:7447"}, [2]int{403, 403}},
		{"public", true, elsewhere, nil, [2]int{200, 403}},
		{"public behind a proxy", true, here, forwarded("203.0.113.1"), [2]int{200, 403}},
	} {
		r := start(t, func(cfg *relay.Config) {
			cfg.Pprof, cfg.MetricsPublic = true, c.public
			cfg.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}
		})
		for i, path := range []string{"/metrics", "/debug/pprof/cmdline"} {
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
			req.RemoteAddr, req.Host = c.peer, "127.0.0.1:7447"
			if c.header != nil {
				req.Header.Set(c.header[0], c.header[1])
				req.Host = cmp.Or(req.Header.Get("Host"), req.Host)
			}
			rec := httptest.NewRecorder()
			r.Server.ServeHTTP(rec, req)
			if rec.Code != c.want[i] {
				t.Errorf("%s: %s is answered with %d, want %d", c.name, path, rec.Code, c.want[i])
			}
		}
	}
	off := start(t, func(cfg *relay.Config) { cfg.Metrics = false })
	if resp, _ := get(t, off, http.MethodGet, "/metrics"); resp.StatusCode != http.StatusNotFound {
		t.Errorf("metrics are off, and: %s", resp.Status)
	}
}
