package relay

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"moa/nips/nip43"
	"moa/nips/reason"
	"moa/nips/wire"
)

// refusal is why a connection was not accepted.
type refusal string

const (
	refuseFull   refusal = "connections"
	refusePerIP  refusal = "connections_per_ip"
	refusePolicy refusal = "policy"
	refuseDrain  refusal = "shutdown"
	refuseBroken refusal = "handshake"
	refuseSilent refusal = "handshakes" // too many that are no WebSocket: the oldest went
)

// dropReason is why a connection has ended.
type dropReason string

const (
	dropSlow     dropReason = "slow_consumer" // outgoing queue over its byte limit
	dropShare    dropReason = "outbox_share"  // too much waits for its address
	dropTotal    dropReason = "outbox_total"  // too much waits for all clients
	dropInbox    dropReason = "inbox"         // too much is being received from its address, or in all
	dropWrite    dropReason = "write_timeout" // the client has taken nothing for so long
	dropPing     dropReason = "ping_timeout"  // nor has it answered a ping
	dropDribble  dropReason = "message_timeout"
	dropProtocol dropReason = "protocol" // what came is no WebSocket, or too big
	dropGarbage  dropReason = "garbage"  // nothing but malformed messages
	dropPanic    dropReason = "panic"    // a fault of moa that its message has found
	dropBlocked  dropReason = "blocked"  // an operator has blocked its address
	dropOperator dropReason = "operator" // an operator has ended it
	dropShutdown dropReason = "shutdown"
	dropClosed   dropReason = "client_close" // the client said good-bye
	dropGone     dropReason = "client_gone"  // it hung up without, or was reset
	dropOther    dropReason = "other"        // what the network says, TLS included
)

// dropReasons are all there are.
var dropReasons = [...]dropReason{
	dropSlow, dropShare, dropTotal, dropInbox, dropWrite, dropPing, dropDribble, dropProtocol, dropGarbage, dropPanic, dropBlocked, dropOperator, dropShutdown, dropClosed, dropGone, dropOther,
}

// vanishOutcome is what became of a request to vanish that is signed and
// addressed to this relay.
type vanishOutcome string

const (
	vanishTaken vanishOutcome = "taken"
	vanishPerIP vanishOutcome = "limit_per_ip"
	vanishAll   vanishOutcome = "limit"
)

// metrics are the relay's figures.
type metrics struct {
	connections prometheus.Gauge
	opened      prometheus.Counter
	refused     *prometheus.CounterVec
	dropped     *prometheus.CounterVec
	messages    [256]prometheus.Counter // by wire.Verb
	events      map[fate]prometheus.Counter
	vanishes    *prometheus.CounterVec
	joins       *prometheus.CounterVec
	subs        prometheus.Gauge
	closed      prometheus.Counter
	delivered   prometheus.Counter
	served      prometheus.Counter
	queries     prometheus.Histogram
	counts      prometheus.Histogram
	commits     prometheus.Histogram
	commitSize  prometheus.Histogram
	verifySize  prometheus.Histogram
	fanouts     prometheus.Histogram
	paced       prometheus.Counter
	calls       *prometheus.CounterVec
	ringFaults  prometheus.Counter

	policyPanics  *prometheus.CounterVec
	sessionPanics prometheus.Counter

	syncs        prometheus.Gauge
	syncEvents   prometheus.Gauge
	syncReceived prometheus.Counter
	syncSent     prometheus.Counter
	syncErrors   prometheus.Counter
	gathers      prometheus.Histogram
}

// newMetrics makes the metrics and registers them; a nil registry shows
// them nowhere.
func newMetrics(reg *prometheus.Registry) *metrics {
	counter := func(name, help string) prometheus.Counter {
		return prometheus.NewCounter(prometheus.CounterOpts{Name: name, Help: help})
	}
	counters := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, []string{label})
	}
	gauge := func(name, help string) prometheus.Gauge {
		return prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help})
	}
	seconds := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(1e-4, 4, 9)})
	}
	sizes := func(name, help string) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: name, Help: help, Buckets: prometheus.ExponentialBuckets(1, 2, 11)})
	}
	messages := counters("moa_messages_total", "Messages received.", "verb")
	events := counters("moa_events_total", "EVENTs received, by what became of them.", "fate")
	m := &metrics{
		connections:   gauge("moa_connections", "Open connections."),
		opened:        counter("moa_connections_total", "Connections accepted."),
		refused:       counters("moa_connections_refused_total", "Connections refused.", "reason"),
		dropped:       counters("moa_connections_dropped_total", "Connections that have ended, by the first reason for it.", "reason"),
		events:        map[fate]prometheus.Counter{},
		vanishes:      counters("moa_vanishes_total", "Requests to vanish that are addressed to this relay (NIP-62).", "outcome"),
		joins:         counters("moa_joins_total", "Requests to become a member of this relay (NIP-43).", "result"),
		subs:          gauge("moa_subscriptions", "Open subscriptions."),
		closed:        counter("moa_closed_total", "REQs and COUNTs answered with CLOSED."),
		delivered:     counter("moa_delivered_events_total", "Live events sent to subscriptions."),
		served:        counter("moa_served_events_total", "Stored events sent to subscriptions."),
		queries:       seconds("moa_query_seconds", "From REQ to EOSE."),
		counts:        seconds("moa_count_seconds", "From COUNT to its answer."),
		commits:       seconds("moa_commit_seconds", "One commit of the store."),
		commitSize:    sizes("moa_commit_events", "Events of one commit."),
		verifySize:    sizes("moa_verify_signatures", "Signatures of one batch."),
		fanouts:       seconds("moa_fanout_seconds", "To queue one event for all live subscriptions that it matches, policies of delivery included."),
		policyPanics:  counters("moa_policy_panics_total", "Panics of policies; each costs one answer.", "policy"),
		sessionPanics: counter("moa_session_panics_total", "Panics in the handling of messages and of requests over HTTP; each costs one connection."),
		paced:         counter("moa_paced_total", "Times that a connection had to wait because its address said very much."),
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "moa_admin_calls_total", Help: "Calls of the management API (NIP-86).",
		}, []string{"method", "result"}),
		ringFaults: counter("moa_io_uring_failures_total", "Times that writers had to do without io_uring for a minute."),

		syncs:        gauge("moa_syncs", "Open reconciliations (NIP-77)."),
		syncEvents:   gauge("moa_sync_events", "Events that are part of open reconciliations."),
		syncReceived: counter("moa_sync_received_bytes_total", "Bytes of NEG-OPENs and NEG-MSGs received, before their hex."),
		syncSent:     counter("moa_sync_sent_bytes_total", "Bytes of NEG-MSGs sent, before their hex."),
		syncErrors:   counter("moa_sync_errors_total", "Reconciliations refused or ended with NEG-ERR."),
		gathers:      seconds("moa_sync_gather_seconds", "From NEG-OPEN to its answer."),
	}
	for v := wire.Unknown; v <= wire.NegClose; v++ {
		m.messages[v] = messages.WithLabelValues(v.String())
	}
	for _, f := range []fate{fateStored, fateDuplicate, fateStale, fateDeleted, fateVanished, fateExpired, fateRelayed, fateShadowed, fateAnswered, fateWaiting, fateInvalid, fateRefused, fateFailed} {
		m.events[f] = events.WithLabelValues(string(f))
	}
	for _, r := range []refusal{refuseFull, refusePerIP, refusePolicy, refuseDrain, refuseBroken, refuseSilent} {
		m.refused.WithLabelValues(string(r))
	}
	for _, o := range []vanishOutcome{vanishTaken, vanishPerIP, vanishAll} {
		m.vanishes.WithLabelValues(string(o))
	}
	for _, r := range joinResults {
		m.joins.WithLabelValues(r)
	}
	for _, r := range dropReasons {
		m.dropped.WithLabelValues(string(r))
	}
	if reg == nil {
		return m
	}
	reg.MustRegister(m.connections, m.opened, m.refused, m.dropped, messages, events, m.vanishes, m.joins, m.subs, m.closed,
		m.delivered, m.served, m.queries, m.counts, m.commits, m.commitSize, m.verifySize, m.fanouts, m.paced, m.calls, m.ringFaults, m.policyPanics, m.sessionPanics,
		m.syncs, m.syncEvents, m.syncReceived, m.syncSent, m.syncErrors, m.gathers,
	)
	return m
}

// registerTickets registers how much waits for the writer.
func registerTickets(reg *prometheus.Registry, waiting func() (tickets, bytes int)) {
	if reg == nil {
		return
	}
	reg.MustRegister(
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_tickets", Help: "EVENTs waiting for the writer."},
			func() float64 { n, _ := waiting(); return float64(n) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "moa_tickets_bytes", Help: "Bytes of the EVENTs waiting for the writer."},
			func() float64 { _, n := waiting(); return float64(n) }),
	)
}

func (m *metrics) verified(n int) { m.verifySize.Observe(float64(n)) }

func (m *metrics) committed(n int, took time.Duration) {
	m.commitSize.Observe(float64(n))
	m.commits.Observe(took.Seconds())
}

func (m *metrics) drop(r dropReason) { m.dropped.WithLabelValues(string(r)).Inc() }
func (m *metrics) refuse(r refusal)  { m.refused.WithLabelValues(string(r)).Inc() }

// joinResults are what becomes of requests to join, by the prefix of the OK.
var joinResults = map[reason.Reason]string{
	reason.Info: "joined", reason.Duplicate: "member", reason.Restricted: "refused", reason.RateLimited: "rate_limited", reason.Error: "failed",
}

// joined counts a request to join.
func (m *metrics) joined(kind uint16, why reason.Reason) {
	if kind == nip43.KindJoin {
		m.joins.WithLabelValues(joinResults[why]).Inc()
	}
}
