package main

import (
	"context"
	"time"

	"github.com/urfave/cli/v3"

	"moa/bench"
)

// benchVerb is a workload with its flags.
type benchVerb struct {
	name, usage, help string
	flags             []cli.Flag
	workload          func(cmd *cli.Command) bench.Workload
}

func (v benchVerb) command() *cli.Command {
	return &cli.Command{
		Name:        v.name,
		Usage:       v.usage,
		Description: v.help,
		ArgsUsage:   "[URL]",
		Flags:       v.flags,
		Action: func(ctx context.Context, cmd *cli.Command) error {
			return benchRun(ctx, cmd, cmd.Args().Slice(), []bench.Workload{v.workload(cmd)})
		},
	}
}

// Flags that several workloads have.
func connections(n int) cli.Flag {
	return &cli.IntFlag{Name: "connections", Aliases: []string{"c"}, Value: n, Usage: "how many"}
}

func lasting(d time.Duration) cli.Flag {
	return &cli.DurationFlag{Name: "duration", Aliases: []string{"d"}, Value: d, Usage: "how long to measure"}
}

func warmup() cli.Flag {
	return &cli.DurationFlag{Name: "warmup", Value: time.Second, Usage: "load before measuring"}
}

func rate(n float64, usage string) cli.Flag {
	f := &cli.FloatFlag{Name: "rate", Aliases: []string{"r"}, Value: n, Usage: usage}
	if n == 0 {
		f.DefaultText = "as fast as they do"
	}
	return f
}

func window(n int) cli.Flag {
	return &cli.IntFlag{Name: "window", Value: n, Usage: "in flight on each connection, without --rate"}
}

const openLoop = "a second over all connections, whether answers come or not"

var benchVerbs = []benchVerb{
	{
		name: "publish", usage: "send events and wait for their OK",
		help: `Accepted events are asked for again: some right after their OK, up to --verify of them at the end. With --rate the loop is
open: events leave when they are due, and their latency counts from then. Without, each connection keeps --window in flight.

   moa bench publish                                     how many events a second a moa takes
   moa bench publish -c 1 --window 1                     what one event costs that comes alone
   moa bench publish --rate 500 -d 60s ws://127.0.0.1:7447 --pid 4711   latency at 500 a second, CPU of process 4711
   moa bench publish --corpus real.jsonl --start 'other --port {port} --db {data}'`,
		flags: []cli.Flag{
			connections(8), window(16), rate(0, "events "+openLoop), warmup(), lasting(10 * time.Second),
			&cli.IntFlag{Name: "count", DefaultText: "the corpus", Usage: "publish so many events at most"},
			&cli.IntFlag{Name: "verify", Value: 50_000, Usage: "ask for so many accepted events at the end; negative: none"},
			&cli.IntFlag{Name: "probe", Value: 100, Usage: "ask for one event in so many right after its OK; negative: none"},
		},
		workload: func(cmd *cli.Command) bench.Workload { return publishWorkload(cmd) },
	},
	{
		name: "query", usage: "ask for stored events and wait for EOSE",
		help: `Nine classes of REQ as clients send them, in their shares; --class picks some. Every answer is compared with what it must be.
The corpus is published first, unless --prefilled says that the relay has it: it is then asked for by id, and answers must be
complete in what was found. So the corpus may be a small part of a large relay.

   moa bench query --class home,thread                   two classes, on a moa of its own
   moa bench query --cold                                each query once after a restart, then warm, side by side
   moa import --data /srv/moa big.jsonl && moa bench query --cold --prefilled --corpus big.jsonl --sample 50000 --data-dir /srv/moa

--cold restarts the relay in order and drops the pages of its files from the system's memory (Linux); a host below a virtual
machine may still have them. How much was then read from disk is in the result.`,
		flags: []cli.Flag{
			connections(8), window(1), rate(0, "REQs "+openLoop), warmup(), lasting(10 * time.Second),
			&cli.StringSliceFlag{Name: "class", Usage: "only these: home, profile, thread, notifications, ids, metadata, addressable, hashtag, global"},
			&cli.IntFlag{Name: "pool", Value: 100, Usage: "different queries of each class"},
			&cli.IntFlag{Name: "count", DefaultText: "no bound but the duration", Usage: "so many REQs at most"},
			&cli.BoolFlag{Name: "cold", Usage: "first restart the relay, with nothing of its files in memory, and ask each query once (not with a URL)"},
		},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Query{
				Conns: cmd.Int("connections"), Window: cmd.Int("window"), Rate: cmd.Float("rate"), Warmup: cmd.Duration("warmup"),
				Duration: cmd.Duration("duration"), Requests: cmd.Int("count"), Classes: cmd.StringSlice("class"), Pool: cmd.Int("pool"),
				Seed: cmd.Uint64("seed"), Cold: cmd.Bool("cold"),
			}
		},
	},
	{
		name: "live", usage: "subscribe, publish, and count what arrives",
		help: `Missing, doubled, mismatched and out-of-order deliveries are counted. Latency runs from when an event was meant to leave to its arrival.

   moa bench live -c 5000 --subscriptions 2 --rate 100   many phones
   moa bench live --audience everyone -c 50              every subscription hears every event`,
		flags:    liveFlags(),
		workload: func(cmd *cli.Command) bench.Workload { return liveWorkload(cmd) },
	},
	{
		name: "idle", usage: "hold connections that do nothing",
		help: `Shows what a connected phone costs: memory (with --pid or --start) and time to connect and subscribe. Each connection is an open
file on both sides: ulimit -Hn is the end, unless root may raise it.

   moa bench idle -c 10000 --compress                    with permessage-deflate, as browsers ask for it`,
		flags: []cli.Flag{
			connections(1000), rate(1000, "connections opened a second"),
			&cli.IntFlag{Name: "subscriptions", Aliases: []string{"s"}, Value: 2, Usage: "on each connection; negative: none"},
			&cli.DurationFlag{Name: "hold", Value: 5 * time.Second, Usage: "how long to hold them"},
		},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Idle{Conns: cmd.Int("connections"), Subs: cmd.Int("subscriptions"), Rate: cmd.Float("rate"), Hold: cmd.Duration("hold"), Seed: cmd.Uint64("seed")}
		},
	},
	{
		name: "slow", usage: "live, with readers that stop reading",
		help: `Some connections subscribe to everything and then do not read. The others' latency and the relay's memory show whether they notice.

   moa bench slow --stalled 10 --rate 1000 -d 30s        a backlog of 30,000 events for each of ten`,
		flags: append(liveFlags(),
			&cli.IntFlag{Name: "stalled", Value: 10, Usage: "readers that do not read"}),
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Slow{Live: liveWorkload(cmd), Stalled: cmd.Int("stalled")}
		},
	},
	{
		name: "mixed", usage: "a day in the life: listen, publish and ask, with ramps",
		help: `Four phases: morning at 0.4 of the rates, noon at 1, peak at 2, night at 0.2. Latencies are given for each.

   moa bench mixed -d 60m -c 500 --html day.html         an hour's soak, with its memory over time`,
		flags: []cli.Flag{
			connections(200), lasting(20 * time.Second),
			&cli.FloatFlag{Name: "publish", Value: 50, Usage: "events a second at noon"},
			&cli.FloatFlag{Name: "query", Value: 50, Usage: "REQs a second at noon"},
		},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Mixed{Conns: cmd.Int("connections"), Publish: cmd.Float("publish"), Query: cmd.Float("query"), Duration: cmd.Duration("duration"), Seed: cmd.Uint64("seed")}
		},
	},
	{
		name: "storm", usage: "break all connections, let all come back at once",
		help: `Times count from the break to the EOSE of each subscription.

   moa bench storm -c 5000 --storms 5`,
		flags: []cli.Flag{
			connections(500),
			&cli.IntFlag{Name: "subscriptions", Aliases: []string{"s"}, Value: 3, Usage: "on each connection"},
			&cli.IntFlag{Name: "storms", Value: 3, Usage: "how often"},
			&cli.DurationFlag{Name: "calm", Value: time.Second, Usage: "between storms"},
		},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Storm{Conns: cmd.Int("connections"), Subs: cmd.Int("subscriptions"), Storms: cmd.Int("storms"), Calm: cmd.Duration("calm"), Seed: cmd.Uint64("seed")}
		},
	},
	{
		name: "handover", usage: "subscribe and unsubscribe while somebody publishes",
		help: `What a subscription hears, stored and live together, must be every event exactly once.

   moa bench handover                                    100 clients that come and go beside one that writes 200 a second
   moa bench handover -r 1000 -d 30s ws://127.0.0.1:7447`,
		flags: []cli.Flag{connections(100), rate(200, "events a second"), lasting(5 * time.Second)},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Handover{Conns: cmd.Int("connections"), Rate: cmd.Float("rate"), Duration: cmd.Duration("duration"), Seed: cmd.Uint64("seed")}
		},
	},
	{
		name: "auth", usage: "authenticate and read one's gift wraps (NIP-42, NIP-59)",
		help: `People connect, are challenged, authenticate and ask for their gift wraps. A wrap for anybody else is a fault.

   moa bench auth                                        how many visits a second a moa takes
   moa bench auth -c 100 -d 30s ws://127.0.0.1:7447      of a relay that sends a challenge when somebody connects, or asks`,
		flags: []cli.Flag{connections(20), lasting(5 * time.Second)},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Auth{Conns: cmd.Int("connections"), Duration: cmd.Duration("duration")}
		},
	},
	{
		name: "sync", usage: "reconcile sets of notes (NIP-77)",
		help: `Clients that lack a share of the notes find out which. The difference found must be exactly the one there is.

   moa bench sync --events 100000                        time, round trips and bytes of a reconciliation
   moa bench sync --lacking 0.5 --frame 500000 ws://127.0.0.1:7447`,
		flags: []cli.Flag{
			connections(4), lasting(5 * time.Second),
			&cli.FloatFlag{Name: "lacking", Value: 0.02, Usage: "share of the notes that a client lacks"},
			&cli.IntFlag{Name: "frame", Value: 60_000, Usage: "largest message, in bytes"},
		},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Sync{Conns: cmd.Int("connections"), Duration: cmd.Duration("duration"), Lacking: cmd.Float("lacking"), Frame: cmd.Int("frame"), Seed: cmd.Uint64("seed")}
		},
	},
	{
		name: "crash", usage: "kill -9 under load, restart, look for what had its OK",
		help: `Needs a relay that this program starts: moa itself, or --start. It finds an OK that came before the write. What a killed process
has handed to the system survives it, so an OK before the sync is not found.

   moa bench crash --crashes 10 --start 'other --port {port} --db {data}'`,
		flags: []cli.Flag{
			connections(8), window(16),
			&cli.IntFlag{Name: "crashes", Value: 3, Usage: "how often"},
			&cli.DurationFlag{Name: "after", Value: time.Second, Usage: "load before each"},
		},
		workload: func(cmd *cli.Command) bench.Workload {
			return bench.Crash{Crashes: cmd.Int("crashes"), After: cmd.Duration("after"), Conns: cmd.Int("connections"), Window: cmd.Int("window")}
		},
	},
}

func liveFlags() []cli.Flag {
	return []cli.Flag{
		connections(200), rate(100, "events a second over all publishers"), warmup(), lasting(10 * time.Second),
		&cli.IntFlag{Name: "subscriptions", Aliases: []string{"s"}, Value: 3, Usage: "on each connection"},
		&cli.IntFlag{Name: "publishers", Aliases: []string{"p"}, Value: 4, Usage: "connections that publish"},
		&cli.StringFlag{Name: "audience", Value: bench.Network, Usage: bench.Network + ": realistic filters, each different; " + bench.Everyone + ": every subscription hears every event"},
	}
}

func liveWorkload(cmd *cli.Command) bench.Live {
	return bench.Live{
		Conns: cmd.Int("connections"), Subs: cmd.Int("subscriptions"), Publishers: cmd.Int("publishers"), Rate: cmd.Float("rate"),
		Warmup: cmd.Duration("warmup"), Duration: cmd.Duration("duration"), Audience: cmd.String("audience"), Seed: cmd.Uint64("seed"),
	}
}

func publishWorkload(cmd *cli.Command) bench.Publish {
	return bench.Publish{
		Events: cmd.Int("count"), Rate: cmd.Float("rate"), Conns: cmd.Int("connections"), Window: cmd.Int("window"),
		Warmup: cmd.Duration("warmup"), Duration: cmd.Duration("duration"), Verify: cmd.Int("verify"), Probe: cmd.Int("probe"), Repeats: cmd.Int("repeat"),
	}
}

// tour is about one minute of everything.
func tour(cmd *cli.Command) []bench.Workload {
	seed := cmd.Uint64("seed")
	return []bench.Workload{
		bench.Idle{Conns: 3000, Rate: 1500, Seed: seed}, // first, while no memory is free from other work
		bench.Publish{Repeats: cmd.Int("repeat")},
		bench.Query{Seed: seed},
		bench.Live{Seed: seed},
	}
}

// everyWorkload is each of them with its defaults, for compare.
func everyWorkload(cmd *cli.Command) []bench.Workload {
	seed := cmd.Uint64("seed")
	return append(tour(cmd), bench.Slow{Live: bench.Live{Seed: seed}}, bench.Mixed{Seed: seed}, bench.Storm{Seed: seed},
		bench.Handover{Seed: seed}, bench.Auth{}, bench.Sync{Seed: seed}, bench.Crash{})
}
