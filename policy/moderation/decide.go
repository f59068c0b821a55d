package moderation

import (
	"cmp"
	"slices"
	"time"

	"moa/nips/event"
)

// Refuses returns why the event is refused; "": it is not.
func (d *Desk) Refuses(author event.PubKey, id event.ID) string {
	if !d.refuses.Load() {
		return ""
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if one, ok := d.made.authors[author]; ok && one.Do == Ban {
		switch now := d.opt.Now(); {
		case one.Until == 0:
			return "the operator of this relay has banned the author"
		case one.Until > now.Unix():
			return "the operator of this relay has banned the author until " + when(one.Until)
		}
	}
	if until, ok := d.refused[author]; ok && until > d.opt.Now().Unix() {
		return "people whom this relay trusts have reported the author, who may write again from " + when(until) + " on"
	}
	switch d.made.events[id].Do {
	case Hide:
		return "the operator of this relay has hidden this event"
	case Delete:
		return "the operator of this relay has removed this event"
	}
	return ""
}

func when(unix int64) string { return time.Unix(unix, 0).UTC().Format("2006-01-02 15:04 UTC") }

// Hides reports that there is anything hidden.
func (d *Desk) Hides() bool { return d.hides.Load() }

// Hidden reports an event that nobody is to see.
func (d *Desk) Hidden(id event.ID, author event.PubKey) bool {
	if !d.hides.Load() {
		return false
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	if one, ok := d.made.events[id]; ok && one.hides() {
		return true
	}
	one, ok := d.made.authors[author]
	return ok && one.Hidden && one.bans(d.opt.Now().Unix())
}

// Decide makes a decision, which is durable and in force when it returns. At is
// set here.
func (d *Desk) Decide(one Decision) error {
	if err := one.check(); err != nil {
		return err
	}
	if err := d.Refresh(); err != nil {
		return err
	}
	d.mu.Lock()
	one.At = d.opt.Now().Unix()
	if one.Author != nil {
		for _, r := range d.cases[*one.Author] { // a clock that goes wrong leaves nothing open
			one.At = max(one.At, r.at)
		}
	}
	err := d.record.append(one, d.meaningLocked())
	if err == nil {
		d.made.add(one)
		d.applyLocked()
	}
	d.mu.Unlock()
	if err != nil {
		return err
	}
	if one.Do == Undo {
		select {
		case d.stale <- struct{}{}:
		default: // it is known
		}
	}
	d.opt.Log.Info("moderation: decided", "do", one.Do, "author", one.Author, "event", one.Event, "until", one.Until, "hidden", one.Hidden || one.Do == Hide, "deleted", one.Removes(), "note", one.Note)
	return nil
}

// meaningLocked are the decisions that still change anything.
func (d *Desk) meaningLocked() (list []Decision) {
	now := d.opt.Now()
	for _, one := range d.made.authors {
		if one.bans(now.Unix()) || one.Do != Undo && one.At > now.Add(-d.opt.Window).Unix() {
			list = append(list, one)
		}
	}
	for _, one := range d.made.events {
		if one.hides() {
			list = append(list, one)
		}
	}
	slices.SortFunc(list, func(a, b Decision) int { return cmp.Compare(a.At, b.At) })
	return list
}

// Decisions are those in force, the newest last: bans that hold, hidden events,
// and reports that were dismissed and would still count.
func (d *Desk) Decisions() []Decision {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return append([]Decision{}, d.meaningLocked()...)
}

// bans reports a ban that holds.
func (d *Decision) bans(now int64) bool { return d.Do == Ban && (d.Until == 0 || d.Until > now) }
