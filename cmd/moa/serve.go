package main

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/urfave/cli/v3"

	"moa/cmd/moa/internal/config"
	"moa/cmd/moa/internal/terminal"
	"moa/cmd/moa/internal/usage"
	"moa/nips/sig"
	"moa/policy"
	"moa/policy/builtin"
	"moa/relay"
	"moa/relay/desk"
	"moa/store"
)

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "run the relay",
		Description: `Runs until SIGTERM or SIGINT, and then ends in order: what has been taken is
stored, and what waits for clients is sent. A second signal ends it at once.
SIGHUP reads the configuration again.

Every key of the configuration file, which ` + "`moa config`" + ` prints, is a flag and
an environment variable too: limits.message_bytes is --limits.message-bytes
and MOA_LIMITS_MESSAGE_BYTES.`,
		Flags: config.Flags(),
		Action: func(ctx context.Context, cmd *cli.Command) error {
			if cmd.NArg() > 0 {
				return usage.Errorf("serve takes no arguments, and got %q; a file is named with --config", cmd.Args().First())
			}
			return serve(ctx, config.SourceOf(cmd), cmd.Root().ErrWriter)
		},
	}
}

// serve runs the relay until a signal or ctx ends it.
func serve(ctx context.Context, src *config.Source, stderr io.Writer) (err error) {
	cfg, faults, err := src.Read()
	if err != nil {
		return err
	}
	in := &instance{source: src, cfg: cfg, level: new(slog.LevelVar)}
	in.members.Store(&cfg.Members)
	in.setRanks(&cfg)
	in.level.Set(logLevel(cfg.Log.Level))
	in.log = newLogger(stderr, cfg.Log.Format, in.level)
	registry := newRegistry()
	counted := newVerdicts(&in.force)
	in.report = counted.reporter(in.log)
	registry.MustRegister(counted, policyFigures{&in.force})
	decided := new(desk.Decided)
	in.env = policy.Env{Log: builtin.ListLog(in.log), Self: in.self, Stored: in.stored, Decided: decided, Members: decided, Waiting: decided, Moderates: in.moderates}
	if err := mayDecide(cfg.Data); err != nil {
		return err
	}
	chain, found := src.Chain(&cfg, in.env, in.report, nil, nil)
	if err := config.Err(append(faults, found...)); err != nil {
		return err
	}
	in.limits()
	verifier, err := in.verifier(registry)
	if err != nil {
		return err
	}
	defer verifier.Close()
	if err := in.open(registry); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.store.Close()) }()
	st := in.store
	registerFigures(registry, st)
	registerBackups(registry, cfg.Data)
	if in.state, err = openState(ctx, cfg.Data, in.log, registry); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.state.Close()) }()
	decided.State = in.state
	registerMembers(registry, in.state)
	registerWaiting(registry, in.state)
	in.force.set(chain, cfg.Policy)
	if in.identity, err = cfg.Identity(in.log); err != nil {
		return err
	}
	in.openDesk()
	in.server, err = relay.New(relayConfig(&cfg), relay.Deps{
		Store: st, Chain: chain, Verifier: verifier, Log: in.log, Metrics: registry,
		Identity: in.identity, Push: pushTo, Members: desk.NIP43{Desk: in.desk}, Vanished: in.desk.Vanished,
		Manager: in.manager(), AdminPage: in.adminPage(registry), Settings: in.overrides,
	})
	if err != nil {
		return err
	}
	if err := in.server.Listen(); err != nil {
		return listenError(&cfg, err)
	}
	leave, err := announce(cfg.Data, in.server.Addr())
	if err != nil {
		return err
	}
	defer leave()
	control := &controller{&in.cfg, in.log, st, in.server, &in.force, in.stored, in.desk, in.manager(), in.census}
	if shut, err := control.open(); err != nil {
		in.log.Warn("moa moderation cannot reach this relay", "err", err)
	} else {
		defer shut()
	}
	signals := make(chan os.Signal, 4) // before the relay says that it is ready: a SIGHUP must not end it then
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	in.greet(stderr, st.Stats())
	return in.run(ctx, signals)
}

// open opens the store. Where there is no folder for it, none is made until the relay
// could listen: a start that is refused leaves nothing behind.
func (in *instance) open(registry *prometheus.Registry) (err error) {
	_, missing := os.Stat(in.cfg.Data)
	if missing != nil {
		if err := in.cfg.TryListen(); err != nil {
			return listenError(&in.cfg, err)
		}
	}
	if in.store, err = openStore(&in.cfg, in.log, registry); err != nil {
		return err
	}
	if missing != nil {
		in.log.Info("the data folder was not there: a new store is made", "data", in.cfg.Data)
	}
	return nil
}

// run serves until a signal or ctx ends it, and reloads on SIGHUP.
func (in *instance) run(ctx context.Context, signals <-chan os.Signal) error {
	ctx, cancel := context.WithCancel(ctx)
	// A reload takes as long as its policies take to load, and a stop must not
	// wait for that. One pending reload is enough: it reads the newest file.
	reloads := make(chan struct{}, 1)
	var handlers sync.WaitGroup
	handlers.Go(func() {
		for range reloads {
			in.reload()
		}
	})
	ended := make(chan struct{})
	handlers.Go(func() {
		defer close(reloads)
		var stopping time.Time // zero: it is not
		for {
			select {
			case s := <-signals:
				switch {
				case s == syscall.SIGHUP:
					select {
					case reloads <- struct{}{}:
					default:
					}
				case !stopping.IsZero():
					in.endAtOnce(s, stopping)
				default:
					stopping = time.Now()
					in.log.Info("stopping", "signal", s.String())
					cancel()
				}
			case <-ended:
				return
			}
		}
	})
	handlers.Go(func() { scavenge(ctx, in.log) })
	handlers.Go(func() { _ = in.desk.Run(ctx) }) // it ends with ctx
	handlers.Go(func() { in.census.Run(ctx) })
	if in.cfg.Alerts.Enabled {
		handlers.Go(func() { in.newAlerter().run(ctx) })
	}
	defer func() { cancel(); close(ended); handlers.Wait() }()
	return in.server.Run(ctx)
}

// endAtOnce ends the process in the middle of a stop that began at since, and logs what
// it gives up.
func (in *instance) endAtOnce(by os.Signal, since time.Time) {
	const code = 1
	time.AfterFunc(time.Second, func() { os.Exit(code) }) // even if nobody reads the log
	connections, events, running := in.server.Unfinished()
	in.log.Warn("ended at once by a second signal", "signal", by.String(), "after", time.Since(since).Round(time.Millisecond),
		"connections", connections, "events", events, "running", running, "exit", code)
	os.Exit(code)
}

// relayConfig is the configuration of package relay.
func relayConfig(c *config.Config) relay.Config {
	b, out := version(), c.Config
	out.Info.Version, out.Info.Software = b.String(), cmp.Or(out.Info.Software, b.Home)
	return out
}

// reload reads the configuration again. One with a fault changes nothing. What
// a policy has read and counted goes on if its table is as it was.
func (in *instance) reload() {
	cfg, faults, err := in.source.Read()
	if err == nil {
		old, were := in.force.get()
		chain, more := in.source.Chain(&cfg, in.env, in.report, old, were)
		if err = config.Err(append(faults, more...)); err == nil {
			err = in.server.Reload(relayConfig(&cfg), chain)
		}
		if err == nil {
			in.force.set(chain, cfg.Policy)
			in.members.Store(&cfg.Members)
			in.setRanks(&cfg)
			in.desk.Reloaded()
		}
	}
	if err != nil {
		in.log.Error("configuration not reloaded, the old one stays in force", "file", in.source.File, "err", err)
		return
	}
	in.level.Set(logLevel(cfg.Log.Level))
	in.warn(&cfg)
	if keys := in.cfg.NeedRestart(&cfg); len(keys) > 0 {
		in.log.Warn("some changes wait for a restart", "file", in.source.File, "keys", keys)
	}
}

// limits sets what the process may use, as far as the system allows.
func (in *instance) limits() {
	if in.cfg.Process.MemoryMiB > 0 {
		debug.SetMemoryLimit(int64(in.cfg.Process.MemoryMiB) << 20)
	}
	got, err := raiseOpenFiles(uint64(in.cfg.Process.OpenFiles))
	if err != nil {
		in.log.Warn("open file limit not raised", "limit", got, "err", err)
	} else if most := uint64(in.cfg.Limits.Connections); got < most+spareFiles {
		in.log.Info("fewer files may be open than limits.connections asks for", "limit", got, "connections", most)
	}
}

// spareFiles are for the store, the listeners and the lists of policies.
const spareFiles = 256

// verifier picks what checks signatures and counts its errors.
func (in *instance) verifier(registry *prometheus.Registry) (*sig.Checked, error) {
	choice, err := sig.Choose(in.cfg.Process.Verifier)
	if err != nil {
		return nil, err
	}
	for _, r := range choice.Refused {
		if errors.Is(r.Err, sig.ErrSelfTest) {
			in.log.Error("signature verifier failed its self-test", "verifier", r.Name, "err", r.Err)
		} else {
			in.log.Debug("signature verifier not available", "verifier", r.Name, "err", r.Err)
		}
	}
	mismatches := prometheus.NewCounter(prometheus.CounterOpts{
		Name: "moa_sig_mismatches_total",
		Help: "Signatures on which the verifier and btcec disagreed.",
	})
	registry.MustRegister(mismatches)
	return sig.NewChecked(choice, sig.CheckOptions{Mismatch: func(m sig.Mismatch) {
		mismatches.Inc()
		logMismatch(in.log, &m)
	}}), nil
}

// logMismatch logs all that is needed to reproduce the fault elsewhere.
func logMismatch(log *slog.Logger, m *sig.Mismatch) {
	r := &m.Record
	log.Error("signature verifiers disagree", "verifier", m.Verifier, "verdict", m.Verdict, "now", m.Now,
		"pubkey", hex.EncodeToString(r.PubKey[:]), "id", hex.EncodeToString(r.Msg[:]), "sig", hex.EncodeToString(r.Sig[:]))
}

// listenError names the setting when a port is taken, or an address is not this
// machine's.
func listenError(c *config.Config, err error) error {
	var why string
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		why = "is taken by another program, perhaps another moa"
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		why = "is no address of this machine"
	default:
		return err
	}
	addr, flag := c.Listen, "--listen"
	if errors.Is(err, relay.ErrMetricsListen) {
		addr, flag = c.MetricsListen, "--metrics.listen"
	}
	return fmt.Errorf("%s %s; choose another with %s: %w", addr, why, flag, err)
}

// warn logs what check-config warns of.
func (in *instance) warn(cfg *config.Config) {
	chain, _ := in.force.get()
	for _, line := range append(in.source.Warnings(cfg), builtin.Warnings(chain)...) {
		in.log.Warn("a setting to look at", "setting", line)
	}
	for _, key := range overridden(in.state) {
		in.log.Info(overriddenText, "key", key)
	}
}

// greet logs where the relay is and how to try it.
func (in *instance) greet(w io.Writer, s store.Stats) {
	url := localURL(in.server.Addr().String())
	try := "moa export --relay " + url + ` --filter '{"limit":5}'`
	in.log.Info("relay ready", "url", url, "public_url", in.cfg.URL, "data", in.cfg.Data, "events", s.Events, "version", version().String(), "try", try)
	if err := in.store.Ready(); err != nil {
		in.log.Error("no events can be stored yet", "err", err)
	}
	in.warn(&in.cfg)
	if terminal.Is(w) {
		fmt.Fprintf(w, "\n  Add %s to a Nostr client, or look at what is stored:\n  %s\n\n", url, try)
	}
}
