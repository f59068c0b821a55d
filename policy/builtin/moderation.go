package builtin

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
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

// Moderation lays the reports of trusted people before an operator, and enforces what
// operators decide about authors, events, kinds and addresses.
type Moderation struct {
	*people // the reporters
	desk    *moderation.Desk
	decided policy.Decided
	now     func() time.Time
	laid    chan struct{} // closed once the desk was laid out, or could not be
	once    sync.Once     // closes it
	exempt  conf.Kinds
	every   time.Duration
	stored  func(context.Context, *event.Filter, func(*event.Event) error) error
	log     *slog.Logger

	waiting   policy.Waiting
	moderates func(event.PubKey) bool
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
	desk := moderation.New(moderation.Options{
		Most: cfg.Cases, Window: time.Duration(cfg.Window), After: cfg.After, For: time.Duration(cfg.For),
		Trusted: people.Has, Decided: env.Decided, Now: env.Now, Log: env.Log,
	})
	return &Moderation{
		people: people, desk: desk, decided: env.Decided, now: env.Now, laid: make(chan struct{}), exempt: cfg.Exempt,
		every: time.Duration(cfg.Reporters.Refresh), stored: env.Stored, log: env.Log,
		waiting: env.Waiting, moderates: env.Moderates,
	}
}

// Desk is what an operator sees.
func (p *Moderation) Desk() *moderation.Desk { return p.desk }

// Loaded is closed when the reports of the store count.
func (p *Moderation) Loaded() <-chan struct{} { return p.laid }

// AfterSignature: only the author itself may learn of its ban.
func (p *Moderation) AfterSignature() {}

func (p *Moderation) Event(_ context.Context, _ policy.Client, e *event.Event) policy.Verdict {
	if allowed, decided := p.decided.Kind(e.Kind); decided && !allowed {
		return policy.Refuse(reason.Blocked, fmt.Sprintf("the operator of this relay takes no events of kind %d", e.Kind))
	}
	if p.exempt.Has(e.Kind) {
		return policy.Verdict{}
	}
	if text := p.refuses(e); text != "" {
		return policy.Refuse(reason.Blocked, text)
	}
	return policy.Verdict{}
}

// refuses says why the event is refused; "": it is not.
func (p *Moderation) refuses(e *event.Event) string {
	switch a := p.decided.Author(e.PubKey); {
	case a.Until == policy.Forever:
		return "the operator of this relay has banned the author"
	case a.Until != 0 && a.Until > p.now().Unix():
		return "the operator of this relay has banned the author until " + moderation.When(a.Until)
	case a.Erasing:
		return "the operator of this relay is removing what the author has written, try again later"
	}
	if text := p.desk.Refuses(e.PubKey); text != "" {
		return text
	}
	switch p.decided.Event(e.ID) {
	case policy.HiddenEvent:
		return "the operator of this relay has hidden this event"
	case policy.RemovedEvent:
		return "the operator of this relay has removed this event"
	}
	return ""
}

// Generation grows with each decision.
func (p *Moderation) Generation() uint64 { return p.decided.Generation() }

func (p *Moderation) Hides() bool { return p.decided.Hides(p.now().Unix()) }

func (p *Moderation) Hidden(id event.ID, author event.PubKey) bool {
	if p.decided.Event(id) != policy.Undecided {
		return true
	}
	a := p.decided.Author(author)
	return a.Erasing || a.Hidden && a.Until > p.now().Unix()
}

func (p *Moderation) Connect(_ context.Context, c policy.Client, _ *http.Request) policy.Verdict {
	return p.MayStay(c)
}

func (p *Moderation) Disconnect(policy.Client) {}

// MayStay refuses clients at blocked addresses.
func (p *Moderation) MayStay(c policy.Client) policy.Verdict {
	if _, blocked := p.decided.Address(c.IP()); blocked {
		return policy.Refuse(reason.Blocked, "the operator of this relay has blocked your address")
	}
	return policy.Verdict{}
}

// Waiting are the events that wait for a person to approve them.
func (p *Moderation) Waiting() []*event.Event { return p.waiting.Waiting(nil) }

// SeesWaiting shows what waits to its author, and to those who decide about it.
func (p *Moderation) SeesWaiting(c policy.Client, e *event.Event) bool {
	return authed(c, e.PubKey) || slices.ContainsFunc(c.Authed(), p.moderates)
}

// Saved takes reports, and tells of what may concern what waits.
func (p *Moderation) Saved(c policy.Client, e *event.Event) {
	p.people.Saved(c, e)
	switch e.Kind {
	case event.KindReport:
		p.desk.Take(e)
	case event.KindDeletion, event.KindVanish:
		p.waiting.Recheck(e.PubKey)
	}
}

// applyEvery is how often the desk looks for decisions that it was not told of: those
// of the last moments before a reload were told to its predecessor.
const applyEvery = 5 * time.Second

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
		case <-time.After(applyEvery):
		case <-p.desk.Stale():
			laid = time.Time{}
		case <-ctx.Done():
			return nil
		}
		p.desk.Apply()
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
