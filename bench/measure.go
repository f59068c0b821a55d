package bench

import (
	"context"
	"errors"
	"maps"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"moa/nips/reason"
)

// measure gathers what one run of a workload sees. Its methods may be called
// from any goroutine.
type measure struct {
	s       *Session
	name    string
	started time.Time
	classes map[string]*recorder // fixed once made
	lag     *recorder            // how late the generator itself woke up
	faults  faults

	begun   atomic.Int64 // end of the warm-up, ns since started; 0: still warm
	ops     atomic.Int64 // since the warm-up
	allOps  atomic.Int64
	conns   atomic.Int64
	failed  atomic.Int64 // refusals
	unable  atomic.Int64 // connections for which this machine was too small
	phase   atomic.Pointer[string]
	planned atomic.Int64 // how long the run should take, ns; 0: unknown
	total   atomic.Int64 // how many operations it should have; 0: unknown
	// together adds a class All that sums up the others, and one that sums up
	// the cold ones. Fixed before the load.
	together bool
	// counts is the class whose operations the rate counts; "": all of them.
	// Fixed before the load.
	counts string

	settings []string // fixed before the load

	mu       sync.Mutex // guards the following
	refused  map[string]int64
	metrics  []Metric
	notes    []string
	warnings []string
	series   []Point
	peakRSS  int64

	from    snapshot // at the end of the warm-up
	to      snapshot
	stop    context.CancelFunc
	sampled sync.WaitGroup
}

// All is the class that sums up the others.
const All = "all"

// Cold ends the name of a class whose operations came before everything else,
// when the relay had just started. They count although they are in the warm-up.
const Cold = ", cold"

// snapshot is the use of the machine at one moment.
type snapshot struct {
	at     time.Time
	own    time.Duration
	server usage
	idle   time.Duration
}

func (s *Session) snapshot() snapshot {
	idle, _ := idleCPU()
	return snapshot{at: time.Now(), own: ownCPU(), server: processUsage(int(s.pid.Load())), idle: idle}
}

// measure starts a run of a workload, whose defaults must be filled in; planned
// is how long it should take, 0 if unknown.
func (s *Session) measure(w Workload, planned time.Duration, classes ...string) *measure {
	m := s.measureAs(w.Name(), planned, classes...)
	m.settings = settings(w)
	return m
}

// measureAs starts a run of something that is no workload.
func (s *Session) measureAs(name string, planned time.Duration, classes ...string) *measure {
	m := &measure{
		s: s, name: name, started: time.Now(),
		classes: map[string]*recorder{}, lag: newRecorder(), refused: map[string]int64{},
	}
	m.planned.Store(int64(planned))
	for _, c := range classes {
		m.classes[c] = newRecorder()
	}
	m.setPhase("warm-up")
	ctx, stop := context.WithCancel(context.Background())
	m.stop = stop
	m.sampled.Go(func() { m.sample(ctx) })
	return m
}

func (m *measure) setPhase(name string) { m.phase.Store(&name) }

// begin ends the warm-up. Later calls do nothing.
func (m *measure) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.begun.Load() == 0 {
		m.from = m.s.snapshot()
		m.phase.Store(new("measure"))
		m.begun.Store(max(1, int64(m.from.at.Sub(m.started))))
	}
}

// end marks the end of what is measured; what follows is checking.
func (m *measure) end() {
	m.begin()
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.to.at.IsZero() {
		m.to = m.s.snapshot()
		m.phase.Store(new("check"))
	}
}

// done counts an operation that was meant to start at intended.
func (m *measure) done(class string, intended time.Time) {
	warm := m.record(class, intended)
	if m.counts != "" && class != m.counts {
		return
	}
	m.allOps.Add(1)
	if !warm {
		m.ops.Add(1)
	}
}

// record notes a latency without counting an operation.
func (m *measure) record(class string, intended time.Time) (warm bool) {
	warm = m.warm(intended)
	m.classes[class].record(time.Since(intended), warm && !strings.HasSuffix(class, Cold))
	return warm
}

// warm reports that an operation of that time belongs to the warm-up.
func (m *measure) warm(intended time.Time) bool {
	begun := m.begun.Load()
	return begun == 0 || int64(intended.Sub(m.started)) < begun
}

// refuse counts an OK false, CLOSED or NOTICE by its reason.
func (m *measure) refuse(text string) {
	m.failed.Add(1)
	prefix, _ := reason.Split(text)
	if prefix == "" {
		prefix = "no-prefix"
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.refused[string(prefix)]++
}

func (m *measure) metric(name, unit string, value float64, better Better) {
	if math.IsNaN(value) || math.IsInf(value, 0) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.metrics = append(m.metrics, Metric{Name: name, Unit: unit, Value: value, Better: better})
}

func (m *measure) note(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.notes = append(m.notes, text)
}

func (m *measure) warn(text string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.warnings = append(m.warnings, text)
}

// noConnect notes a connection that could not be opened. That is the relay's
// fault, or that of this machine's limits; nobody's, if the run was ended.
func (m *measure) noConnect(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return
	}
	if errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.EADDRNOTAVAIL) {
		if m.unable.Add(1) == 1 {
			m.warn("this machine could not open every connection (more as root, or with a higher ulimit -Hn): " + err.Error())
		}
		return
	}
	m.faults.add(NoConnect, err.Error)
}

// seconds is how long was measured.
func (m *measure) seconds() float64 { return m.to.at.Sub(m.from.at).Seconds() }

// serverCPU returns what the relay used while it was measured.
func (m *measure) serverCPU() (time.Duration, bool) {
	ok := m.from.server.ok && m.to.server.ok && m.to.server.cpu >= m.from.server.cpu
	return m.to.server.cpu - m.from.server.cpu, ok
}

// perOp adds the relay's and the generator's CPU time per operation.
func (m *measure) perOp(what string, ops float64) {
	if ops == 0 {
		return
	}
	if cpu, ok := m.serverCPU(); ok {
		m.metric("relay CPU per "+what, "us", float64(cpu.Microseconds())/ops, Lower)
	}
	m.metric("generator CPU per "+what, "us", float64((m.to.own-m.from.own).Microseconds())/ops, Neither)
}

// finish ends the run and returns what was seen.
func (m *measure) finish() *Run {
	m.end()
	m.stop()
	m.sampled.Wait()
	m.machine()
	if c := &m.s.carried; m.settings != nil {
		m.notes, m.warnings = slices.Concat(c.Notes, m.notes), slices.Concat(c.Warnings, m.warnings)
		for _, f := range c.Faults {
			m.faults.addN(f.Name, f.Count, func() string { return f.Example })
		}
		*c = Run{}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	run := &Run{
		Started: m.started, Seconds: m.seconds(), Metrics: m.metrics, Latencies: map[string]Latency{},
		settings: m.settings,
		Series:   m.series, Refused: maps.Clone(m.refused), Faults: m.faults.list(), Notes: m.notes, Warnings: m.warnings,
	}
	sums := map[string]*recorder{All: newRecorder(), All + Cold: newRecorder()}
	for name, r := range m.classes {
		if l := r.latency(); l.Count > 0 {
			run.Latencies[name] = l
			sum := All
			if strings.HasSuffix(name, Cold) {
				sum += Cold
			}
			sums[sum].all.Merge(r.all)
		}
	}
	for name, r := range sums {
		if l := r.latency(); m.together && l.Count > 0 {
			run.Latencies[name] = l
		}
	}
	return run
}

// others returns how many cores neither the relay nor the generator used, 0 if
// the relay's use is not known.
func (m *measure) others(idle, own float64) float64 {
	cpu, ok := m.serverCPU()
	if !ok {
		return 0
	}
	return float64(thisMachine().Cores) - idle - own - cpu.Seconds()/m.seconds()
}

// machine adds what relay and generator used, and warns when the figures say
// more about the generator than about the relay.
func (m *measure) machine() {
	wall := m.to.at.Sub(m.from.at)
	if wall <= 0 {
		return
	}
	own := float64(m.to.own-m.from.own) / float64(wall)
	if cpu, ok := m.serverCPU(); ok {
		m.metric("relay CPU", "cores", float64(cpu)/float64(wall), Neither)
		m.metric("relay RSS, peak", "MB", float64(max(m.peakRSS, m.to.server.rss))/1e6, Lower)
	}
	m.metric("generator CPU", "cores", own, Neither)
	lag := m.lag.latency()
	if lag.Count > 0 {
		m.metric("generator lag, p99", "ms", lag.P99, Neither)
	}
	cores := float64(thisMachine().Cores)
	idle, known := 0.0, false
	if m.to.idle > 0 {
		idle, known = float64(m.to.idle-m.from.idle)/float64(wall), true
	}
	switch {
	case own > 0.9*cores:
		m.warn("the generator was the bottleneck: it used all cores of this machine")
	case known && idle < 0.05*cores && own > 0.5*cores:
		m.warn("the generator was the bottleneck: no core was idle and it used more than half of them")
	case known && m.others(idle, own) > 0.25*cores:
		m.warn("other programs used more than a quarter of this machine: times and rates are noisy, CPU figures less so")
	case known && idle < 0.05*cores:
		m.note("no core was idle: whoever ran on this machine shared it")
	}
	if lag.P99 > 5 {
		m.warn("the generator woke up late (p99 over 5 ms): open-loop latencies include that")
	}
}
