package khatru

import (
	"context"
	"net/http"

	"github.com/nbd-wtf/go-nostr"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/policy"
)

// AfterSignature marks the door as late: khatru's hooks may rely on an event's
// author.
func (d *Door) AfterSignature() {}

// Event asks the RejectEvent hooks. With hooks that are to run after the
// commit, it waits a while for their turn before it accepts: see backlog.
func (d *Door) Event(_ context.Context, c policy.Client, e *event.Event) (v policy.Verdict) {
	if len(d.rejectEvent) > 0 {
		evt := toKhatruEvent(e)
		d.conn(c).do("", func(ctx context.Context) {
			for _, reject := range d.rejectEvent {
				if no, msg := reject(ctx, evt); no {
					v = refusal(msg)
					return
				}
			}
		})
	}
	if v.Action == policy.Accept && len(d.afterCommit(e.Kind)) > 0 && !d.backlog.hasRoom() {
		return policy.Refuse(reason.Error, "the relay is busy, try again later")
	}
	return v
}

// WantsSubID reports whether there is a hook that may call GetSubscriptionID.
func (d *Door) WantsSubID() bool {
	return len(d.overwriteFilter)+len(d.rejectFilter)+len(d.rejectCountFilter) > 0
}

// Rewrite lets the OverwriteFilter hooks change what is asked for. A filter
// that is none any more afterwards finds nothing.
func (d *Door) Rewrite(ctx context.Context, c policy.Client, f *event.Filter) *event.Filter {
	if len(d.overwriteFilter) == 0 {
		return f
	}
	nf := toKhatruFilter(f)
	d.conn(c).do(policy.SubID(ctx), func(ctx context.Context) {
		for _, overwrite := range d.overwriteFilter {
			overwrite(ctx, &nf)
		}
	})
	out, err := fromKhatruFilter(nf)
	if err != nil {
		d.rl.Log.Printf("OverwriteFilter has left what is no filter: %v", err)
		return &event.Filter{Kinds: []uint16{}}
	}
	return out
}

// Filter asks the RejectFilter hooks, `limit:0` or not.
func (d *Door) Filter(ctx context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return d.askFilter(ctx, c, f, d.rejectFilter)
}

// Count asks the RejectCountFilter hooks.
func (d *Door) Count(ctx context.Context, c policy.Client, f *event.Filter) policy.Verdict {
	return d.askFilter(ctx, c, f, d.rejectCountFilter)
}

func (d *Door) askFilter(ctx context.Context, c policy.Client, f *event.Filter, hooks []func(context.Context, nostr.Filter) (bool, string)) (v policy.Verdict) {
	if len(hooks) == 0 {
		return v
	}
	nf := toKhatruFilter(f)
	d.conn(c).do(policy.SubID(ctx), func(ctx context.Context) {
		for _, reject := range hooks {
			if no, msg := reject(ctx, nf); no {
				v = refusal(msg)
				return
			}
		}
	})
	return v
}

// Live asks the PreventBroadcast hooks.
func (d *Door) Live(c policy.Client, e *event.Event) (send bool) {
	if len(d.preventBroadcast) == 0 {
		return true
	}
	cn := d.conn(c)
	ws := cn.webSocket()
	if ws == nil {
		return true
	}
	evt := d.live.convert(e)
	send = true
	cn.run(cn.ctx, "", func(context.Context) {
		for _, prevent := range d.preventBroadcast {
			if prevent(ws, evt) {
				send = false
				return
			}
		}
	})
	return send
}

// Connect asks RejectConnection and tells OnConnect.
func (d *Door) Connect(_ context.Context, c policy.Client, r *http.Request) policy.Verdict {
	r = trusted(r, c)
	for _, reject := range d.rejectConnection {
		if reject(r) {
			return policy.Refuse(reason.RateLimited, "too many connections")
		}
	}
	cn := d.newConn(c, r)
	d.conns.Store(c.ID(), cn)
	if len(d.preventBroadcast) > 0 {
		cn.webSocket() // which takes longer than Live has
	}
	cn.do("", func(ctx context.Context) {
		for _, on := range d.onConnect {
			on(ctx)
		}
	})
	return policy.Verdict{}
}

// Disconnect tells OnDisconnect and then ends the connection's context.
func (d *Door) Disconnect(c policy.Client) {
	v, ok := d.conns.LoadAndDelete(c.ID())
	if !ok {
		return
	}
	cn := v.(*conn)
	cn.do("", func(ctx context.Context) {
		for _, on := range d.onDisconnect {
			on(ctx)
		}
	})
	cn.cancel()
}

// Authenticated makes an AUTH known to hooks that wait for it.
func (d *Door) Authenticated(c policy.Client) { d.conn(c).identify() }

// Saved has OnEventSaved or OnEphemeralEvent told, soon.
func (d *Door) Saved(c policy.Client, e *event.Event) {
	if len(d.afterCommit(e.Kind)) > 0 {
		d.backlog.add(saved{d.conn(c), e})
	}
}

// ReportPanics sets the function that hears of panics of the hooks that no chain asks:
// behind a commit, and over HTTP.
func (d *Door) ReportPanics(report func(value any)) { d.report.Store(&report) }

// panicked reports what a deferred function has recovered.
func (d *Door) panicked(value any) {
	if report := d.report.Load(); report != nil {
		(*report)(value)
	}
}

func (d *Door) runSaved(s saved) {
	defer func() {
		if value := recover(); value != nil {
			d.panicked(value)
		}
	}()
	evt := toKhatruEvent(s.e)
	s.conn.run(d.life, "", func(ctx context.Context) {
		for _, on := range d.afterCommit(s.e.Kind) {
			on(ctx, evt)
		}
	})
}

// afterCommit are the hooks to be told of an event of that kind.
func (d *Door) afterCommit(kind uint16) []func(context.Context, *nostr.Event) {
	if event.Ephemeral(kind) {
		return d.onEphemeralEvent
	}
	return d.onEventSaved
}
