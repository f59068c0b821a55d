package builtin

import (
	"context"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
	"moa/policy/conf"
	"moa/policy/moderation"
)

type moderationConfig struct {
	Reporters peopleConfig  `toml:"reporters" comment:"Whose reports (kind 1984) come before the operator, in the words of the policy allow.\nNobody: the operator bans and hides without reports." example:"{ pubkeys = [\"<pubkey>\"] }"`
	Window    conf.Duration `toml:"window" comment:"How long a report counts."`
	After     int           `toml:"after" comment:"When so many of these people have reported an author, the author's events are refused\nwithout the operator. 0: never. Reporters are only refused by the operator."`
	For       conf.Duration `toml:"for" comment:"How long after their reports."`
	Exempt    conf.Kinds    `toml:"exempt" comment:"The kinds that refused authors may write all the same: to delete and to vanish is\neverybody's right."`
	Cases     int           `toml:"cases" comment:"Most reported authors at a time, at about 5 kB; of more, those with the fewest reporters\nare dropped."`
}

var moderationDefaults = moderationConfig{
	Reporters: peopleDefaults, Window: conf.Duration(30 * 24 * time.Hour), For: conf.Duration(24 * time.Hour),
	Exempt: conf.MustKinds("5, 62"), Cases: 1000,
}

// ModerationFile, in the data folder, is the record of the decisions.
const ModerationFile = "moderation.jsonl"

// Moderation lays the reports of trusted people before an operator, and enforces the
// decisions on authors and readers.
type Moderation struct {
	*people // the reporters
	desk    *moderation.Desk
	laid    chan struct{} // closed once the desk was laid out, or could not be
	once    sync.Once     // closes it
	exempt  conf.Kinds
	every   time.Duration
	stored  func(context.Context, *event.Filter, func(*event.Event) error) error
	log     *slog.Logger
}

func newModeration(env *policy.Env, cfg moderationConfig, bad *conf.Faults) policy.Policy {
	people := optionalPeople(env, cfg.Reporters, "reporters", bad)
	if people == nil {
		people = noPeople(env)
	}
	for _, d := range []struct {
		path  string
		value conf.Duration
	}{{"window", cfg.Window}, {"for", cfg.For}} {
		if d.value < conf.Duration(time.Second) {
			bad.Add(d.path, "%s is less than 1s", d.value)
		}
	}
	if cfg.After < 0 {
		bad.Add("after", "%d is less than 0", cfg.After)
	}
	if cfg.Cases < 1 {
		bad.Add("cases", "%d is less than 1", cfg.Cases)
	}
	if len(*bad) > 0 {
		return nil
	}
	options := moderation.Options{
		Most: cfg.Cases, Window: time.Duration(cfg.Window), After: cfg.After, For: time.Duration(cfg.For),
		Trusted: people.Has, Now: env.Now, Log: env.Log,
	}
	if env.Data != "" {
		options.Record = filepath.Join(env.Data, ModerationFile)
	}
	desk, err := moderation.New(options)
	if err != nil {
		bad.Add("use", "%v", err)
	}
	return &Moderation{
		people: people, desk: desk, laid: make(chan struct{}), exempt: cfg.Exempt,
		every: time.Duration(cfg.Reporters.Refresh), stored: env.Stored, log: env.Log,
	}
}

// Desk is what an operator sees.
func (p *Moderation) Desk() *moderation.Desk { return p.desk }

// Loaded is closed when the reports of the store count.
func (p *Moderation) Loaded() <-chan struct{} { return p.laid }

// AfterSignature: only the author itself may learn of its ban.
func (p *Moderation) AfterSignature() {}

func (p *Moderation) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if p.exempt.Has(e.Kind) {
		return policy.Verdict{}
	}
	if text := p.desk.Refuses(e.PubKey, e.ID); text != "" {
		return policy.Refuse(reason.Blocked, text)
	}
	return policy.Verdict{}
}

func (p *Moderation) Hides() bool { return p.desk.Hides() }

func (p *Moderation) Hidden(id event.ID, author event.PubKey) bool { return p.desk.Hidden(id, author) }

// Saved takes reports.
func (p *Moderation) Saved(c policy.Client, e *event.Event) {
	p.people.Saved(c, e)
	if e.Kind == event.KindReport {
		p.desk.Take(e)
	}
}

// recordInterval is how often the record is looked at: another process, or the
// policy's predecessor in the last moments before a reload, may have written it.
const recordInterval = 5 * time.Second

// Run keeps the list of people, and lays out the desk: at the start, and every
// refresh, for people come and go, and reports are deleted and grow old.
func (p *Moderation) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	var reading sync.WaitGroup
	reading.Go(func() { _ = p.people.Run(ctx) }) // lists that cannot be read are logged
	defer reading.Wait()
	defer stop() // also where something here has panicked
	select {
	case <-p.people.Loaded():
	case <-ctx.Done():
		return nil
	}
	var (
		laid time.Time
		pace *pacer
	)
	for {
		if time.Since(laid) >= p.every {
			if err := p.lay(ctx, pace); err != nil && ctx.Err() == nil {
				p.log.Warn("reports could not be read, the desk stays as it was", "err", err)
			}
			laid, pace = time.Now(), newPacer()
			p.once.Do(func() { close(p.laid) })
		}
		select {
		case <-time.After(recordInterval):
		case <-p.desk.Stale():
			laid = time.Time{}
		case <-ctx.Done():
			return nil
		}
		if err := p.desk.Refresh(); err != nil {
			p.log.Warn("the record of moderation could not be read, it stays as it was", "err", err)
		}
	}
}

func (p *Moderation) lay(ctx context.Context, pace *pacer) error {
	if len(p.sources) == 0 {
		return nil // nobody's reports count
	}
	if p.stored == nil {
		return errNoStore
	}
	return p.desk.Lay(ctx, func(ctx context.Context, since int64, found func(*event.Event)) error {
		f := &event.Filter{Kinds: []uint16{event.KindReport}, Since: since}
		return p.stored(ctx, f, func(e *event.Event) error {
			found(e)
			pace.rest()
			return ctx.Err()
		})
	})
}
