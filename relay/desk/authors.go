package desk

import (
	"cmp"
	"context"
	"slices"
	"time"

	"moa/nips/event"
	"moa/store/state"
)

// BanAuthor has an author's events refused, for good or until a time, and closes what is
// reported. With erase it returns how many stored events were removed; if not all could
// be, Run goes on with it, and nobody is shown the rest.
func (d *Desk) BanAuthor(ctx context.Context, by state.Actor, pk event.PubKey, ban state.Ban, erase bool) (removed int, err error) {
	if pk == (event.PubKey{}) {
		return 0, wrong("the author is missing")
	}
	if pk == d.deps.Self() {
		return 0, wrong("that is the relay's own key")
	}
	if by.Key != (event.PubKey{}) && d.deps.Administrator(pk) && !d.deps.Administrator(by.Key) {
		return 0, wrong("this is an administrator of the relay")
	}
	if now := d.deps.Now().Unix(); ban.Until != 0 && ban.Until <= now {
		return 0, wrong("the ban would be over: it ends at %s", time.Unix(ban.Until, 0).UTC().Format(time.RFC3339))
	}
	ban.Erase = erase
	if err := d.deps.State.BanAuthor(ctx, by, pk, ban, d.newest(pk)); err != nil {
		return 0, err
	}
	d.decided(by, "ban", "author", pk, "until", ban.Until, "hidden", ban.Hidden, "deleted", erase, "note", ban.Why)
	if !erase {
		return 0, nil
	}
	return d.finish(ctx, pk.String())
}

// Expel is BanAuthor, and ends a membership.
func (d *Desk) Expel(ctx context.Context, by state.Actor, pk event.PubKey, ban state.Ban, erase bool) (removed int, err error) {
	removed, err = d.BanAuthor(ctx, by, pk, ban, erase)
	if err != nil {
		return removed, err
	}
	if _, is := d.deps.State.Member(pk); !is {
		return removed, nil
	}
	return removed, d.RemoveMember(ctx, by, pk, ban.Why)
}

// UnbanAuthor lifts a ban. What it has closed or erased stays so: what it still has to
// erase is erased first.
func (d *Desk) UnbanAuthor(ctx context.Context, by state.Actor, pk event.PubKey, why string) error {
	err := d.lift(ctx, pk.String(), func() error { return d.deps.State.UnbanAuthor(ctx, by, pk, why) })
	if err != nil {
		return err
	}
	d.decided(by, "unban", "author", pk, "note", why)
	return nil
}

// DismissReports closes what was reported about an author so far.
func (d *Desk) DismissReports(ctx context.Context, by state.Actor, pk event.PubKey, why string) error {
	until := max(d.deps.Now().Unix(), d.newest(pk))
	if err := d.deps.State.CloseReports(ctx, by, pk, until, why); err != nil {
		return err
	}
	d.decided(by, "dismiss", "author", pk, "note", why)
	return nil
}

// ReopenReports lets what was closed about an author count again.
func (d *Desk) ReopenReports(ctx context.Context, by state.Actor, pk event.PubKey, why string) error {
	if err := d.deps.State.OpenReports(ctx, by, pk, why); err != nil {
		return err
	}
	d.decided(by, "reopen", "author", pk, "note", why)
	d.reopened()
	return nil
}

// UndoAuthor takes back all that is decided about an author: it lifts a ban, lets
// closed reports count again, and has what they write wait again.
func (d *Desk) UndoAuthor(ctx context.Context, by state.Actor, pk event.PubKey, why string) error {
	err := d.lift(ctx, pk.String(), func() error { return d.deps.State.PardonAuthor(ctx, by, pk, why) })
	if err != nil {
		return err
	}
	d.decided(by, "undo", "author", pk, "note", why)
	d.reopened()
	return nil
}

// newest is when the author was reported last. A clock that goes wrong leaves nothing
// open: reports from the future are closed too.
func (d *Desk) newest(pk event.PubKey) int64 {
	if r := d.deps.Reports(); r != nil {
		return r.Newest(pk)
	}
	return 0
}

// reopened has the reports read again.
func (d *Desk) reopened() {
	if r := d.deps.Reports(); r != nil {
		r.Reopen()
	}
}

// Banned is an author whose ban holds.
type Banned struct {
	Author event.PubKey
	state.Ban
}

// BannedAuthors are those whose ban holds, the newest ban last.
func (d *Desk) BannedAuthors() (list []Banned) {
	now := d.deps.Now().Unix()
	for pk, a := range d.deps.State.Authors() {
		if a.Banned && a.Ban.Holds(now) {
			list = append(list, Banned{pk, a.Ban})
		}
	}
	slices.SortFunc(list, func(a, b Banned) int {
		return cmp.Or(cmp.Compare(a.At, b.At), event.ComparePubKeys(a.Author, b.Author))
	})
	return list
}

// Dismissed is an author about whom reports that would count are closed.
type Dismissed struct {
	Author event.PubKey
	state.Dismissal
}

// Dismissals are those of authors whose reports would still count, the newest last.
func (d *Desk) Dismissals(ctx context.Context) (list []Dismissed, err error) {
	r := d.deps.Reports()
	if r == nil {
		return nil, nil
	}
	all, err := d.deps.State.Dismissals(ctx, d.deps.Now().Add(-r.Window()).Unix())
	for pk, one := range all {
		list = append(list, Dismissed{pk, one})
	}
	slices.SortFunc(list, func(a, b Dismissed) int {
		return cmp.Or(cmp.Compare(a.At, b.At), event.ComparePubKeys(a.Author, b.Author))
	})
	return list, err
}
