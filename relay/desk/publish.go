package desk

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"moa/nips/event"
	"moa/nips/nip43"
	"moa/store/state"
)

// What changes about members is published by jobs of the change, so that a crash loses
// none of it: a job is struck off once its event is durable, and does no harm twice. The
// event about somebody who comes or goes is dated as the change, so that it is the same
// event again; lists and roles replace what was said before.

// publishEvery is how soon after the last time something is published. What is replaced is
// dated a second later each time, and must not run ahead of the clock.
const publishEvery = time.Second

// publishStep is how many jobs are struck off at a time.
const publishStep = 200

// publisher publishes what has changed about members, and forgets notes on those who
// have vanished, until ctx ends.
func (d *Desk) publisher(ctx context.Context) {
	said := false // all that holds was said since publishing began
	for {
		err := d.publishJobs(ctx, &said)
		if err == nil {
			err = d.forgetVanished(ctx)
		}
		var again <-chan time.Time
		if err != nil && ctx.Err() == nil {
			d.deps.Log.Error("what has changed about members is not published yet", "err", err)
			again = time.After(retry)
		}
		select {
		case <-time.After(publishEvery):
		case <-ctx.Done():
			return
		}
		select {
		case <-d.unpublished:
		case <-again:
		case <-ctx.Done():
			return
		}
	}
}

func (d *Desk) publishJobs(ctx context.Context, said *bool) error {
	jobs, err := d.deps.State.Jobs(ctx)
	if err != nil {
		return fmt.Errorf("read jobs: %w", err)
	}
	jobs = slices.DeleteFunc(jobs, func(j state.Job) bool { return !j.Publishes() })
	rules := d.deps.Members()
	if !rules.Publish {
		*said = false
		return d.deps.State.JobsDone(ctx, jobs)
	}
	lists := slices.Clone(jobs) // one publication is for all of them
	lists = slices.DeleteFunc(lists, func(j state.Job) bool { return j.Verb != state.PublishMembers })
	jobs = slices.DeleteFunc(jobs, func(j state.Job) bool { return j.Verb == state.PublishMembers })
	for step := range slices.Chunk(jobs, publishStep) {
		for _, j := range step {
			if err := d.publishJob(ctx, j); err != nil {
				return err
			}
		}
		if err := d.deps.State.JobsDone(ctx, step); err != nil {
			return err
		}
	}
	if *said && len(lists) == 0 {
		return nil
	}
	if err := d.publishMembers(ctx, rules.PublishMost); err != nil {
		return err
	}
	if !*said {
		for _, r := range d.deps.State.Roles() {
			if err := d.publishRole(ctx, r.ID); err != nil {
				return err
			}
		}
		*said = true
	}
	return d.deps.State.JobsDone(ctx, lists)
}

func (d *Desk) publishJob(ctx context.Context, j state.Job) error {
	if j.Verb == state.PublishRole {
		return d.publishRole(ctx, j.Subject)
	}
	pk, err := event.ParsePubKey(j.Subject)
	if err != nil {
		return err
	}
	e := nip43.Added(pk)
	if j.Verb == state.PublishLeave {
		e = nip43.Removed(pk)
	}
	e.CreatedAt = j.At
	return d.deps.Publish(ctx, e)
}

// publishMembers says who the members are. If there are too many, what was said before
// is deleted: it would only grow wrong.
func (d *Desk) publishMembers(ctx context.Context, most int) error {
	if d.deps.State.MemberCount() > most {
		return d.unpublish(ctx, nip43.KindMembers, "")
	}
	var list []nip43.Member
	for pk, m := range d.deps.State.AllMembers() {
		list = append(list, nip43.Member{PubKey: pk, Roles: m.Roles()})
	}
	slices.SortFunc(list, func(a, b nip43.Member) int { return event.ComparePubKeys(a.PubKey, b.PubKey) })
	return d.deps.Publish(ctx, nip43.Members(list))
}

// publishRole says what a role is, or that it is no more.
func (d *Desk) publishRole(ctx context.Context, id string) error {
	r, exists := d.deps.State.Role(id)
	if !exists {
		return d.unpublish(ctx, nip43.KindRole, id)
	}
	role := nip43.Role{ID: r.ID, Label: r.Label, Description: r.Description, Color: r.Color, Order: r.Order}
	return d.deps.Publish(ctx, role.Event())
}

// unpublish deletes what the relay has said at an address, if it is stored.
func (d *Desk) unpublish(ctx context.Context, kind uint16, id string) error {
	f := event.Filter{Authors: []event.PubKey{d.deps.Self()}, Kinds: []uint16{kind}}
	if id != "" {
		f.Tags = []event.TagFilter{{Name: 'd', Values: []string{id}}}
	}
	newest := int64(0)
	err := d.deps.Stored(ctx, &f, func(e *event.Event) error {
		newest = max(newest, e.CreatedAt)
		return nil
	})
	if err != nil || newest == 0 {
		return err
	}
	e := nip43.Deleted(d.deps.Self(), kind, id)
	e.CreatedAt = max(d.deps.Now().Unix(), newest)
	return d.deps.Publish(ctx, e)
}

// forgetVanished forgets the notes on members who have asked to vanish.
func (d *Desk) forgetVanished(ctx context.Context) error {
	noted, err := d.deps.State.Noted(ctx)
	if err != nil {
		return fmt.Errorf("look for notes: %w", err)
	}
	slices.SortFunc(noted, event.ComparePubKeys)
	for some := range slices.Chunk(noted, 500) {
		gone, err := d.vanishedOf(ctx, some)
		for _, pk := range gone {
			err = cmp.Or(err, d.deps.State.NoteMember(ctx, state.Actor{Door: "vanish"}, pk, ""))
		}
		if err != nil {
			return fmt.Errorf("forget notes on those who have vanished: %w", err)
		}
	}
	return nil
}

// vanishedOf are those of some people who have asked to vanish. keys are sorted.
func (d *Desk) vanishedOf(ctx context.Context, keys []event.PubKey) (gone []event.PubKey, err error) {
	f := event.Filter{Authors: keys, Kinds: []uint16{event.KindVanish}}
	err = d.deps.Stored(ctx, &f, func(e *event.Event) error {
		gone = append(gone, e.PubKey)
		return nil
	})
	return gone, err
}

// Vanished is told that somebody has asked to vanish, and Reloaded that the
// configuration may have changed. They return at once.
func (d *Desk) Vanished() { hint(d.unpublished) }
func (d *Desk) Reloaded() { hint(d.unpublished) }
