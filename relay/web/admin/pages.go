package admin

import (
	"context"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"moa/nips/event"
	"moa/nips/nip19"
	"moa/policy/moderation"
	"moa/relay/desk"
	"moa/store/state"
)

// page is one that is shown to those that may decide what it is about.
type page struct {
	Path, Title string
	name        string // of its file
	right       desk.Right
	everybody   bool // that is signed in
	read        func(context.Context, *visit) (any, error)
}

// pages are in the order of the menu.
var (
	overviewPage = &page{Path: "", Title: "Overview", name: "overview", everybody: true, read: readOverview}
	pages        = []*page{
		overviewPage,
		{Path: "/reports", Title: "Reports", name: "reports", right: desk.Events, read: readReports},
		{Path: "/members", Title: "Members", name: "members", right: desk.People, read: readMembers},
		{Path: "/invites", Title: "Invites", name: "invites", right: desk.People, read: readInvites},
		{Path: "/bans", Title: "Bans", name: "bans", right: desk.Authors, read: readBans},
		{Path: "/log", Title: "Log", name: "log", right: desk.Log, read: readLog},
	}
)

func pageAt(path string) (*page, bool) {
	at := slices.IndexFunc(pages, func(p *page) bool { return p.Path == path })
	if at < 0 {
		return nil, false
	}
	return pages[at], true
}

// onePage is how many entries of a list a page shows.
const onePage = 50

type overview struct {
	Figures
	Rate     float64
	Over, Up time.Duration
	Members  int
	Reports  int // cases
	// Machine: the disk, backups and the configuration are the operator's that has the
	// machine.
	Machine, Moderates bool
}

func readOverview(_ context.Context, v *visit) (any, error) {
	o := &overview{Figures: v.deps.Look(), Machine: v.rank.May(desk.Settings), Moderates: v.rank.May(desk.Events)}
	now := v.deps.Now()
	o.Rate, o.Over = v.pace.look(&o.Figures, now)
	o.Up = now.Sub(o.Started)
	o.Members = v.deps.Desk.State().MemberCount()
	o.Reports = len(v.deps.Desk.Cases())
	return o, nil
}

type members struct {
	List  []state.Membership
	Roles []state.Role
	Count int
	Asked string // whom the page is about, "" for all
	Older int64  // what the next page begins behind; 0: there is none
}

func readMembers(ctx context.Context, v *visit) (any, error) {
	asked := form{v.r.URL.Query()}
	st := v.deps.Desk.State()
	m := &members{Roles: st.Roles(), Count: st.MemberCount(), Asked: asked.text("key")}
	if m.Asked != "" {
		pk, err := asked.key("key")
		if err != nil {
			return m, err
		}
		one, is, err := st.Membership(ctx, pk)
		if is {
			m.List = append(m.List, one)
		}
		return m, err
	}
	var err error
	m.List, err = st.Members(ctx, state.MemberQuery{Before: before(asked), Limit: onePage})
	if len(m.List) == onePage {
		m.Older = m.List[onePage-1].Nth
	}
	return m, err
}

// before is where a page of a list begins.
func before(asked form) int64 {
	n, _ := strconv.ParseInt(asked.text("before"), 10, 64) // 0, the newest, for what is no number
	return max(n, 0)
}

type invites struct {
	List  []state.Invite
	Roles []state.Role
	Older int64
}

func readInvites(ctx context.Context, v *visit) (any, error) {
	st := v.deps.Desk.State()
	list, err := st.Invites(ctx, nil, before(form{v.r.URL.Query()}), onePage)
	i := &invites{List: list, Roles: st.Roles()}
	if len(list) == onePage {
		i.Older = list[onePage-1].Nth
	}
	return i, err
}

type reports struct {
	Cases []reported
	More  int // cases that are not shown
	Erase bool
}

type reported struct {
	moderation.Case
	Seen []seen
	More int // events that are not shown
}

// seen is a reported event as its moderator may see it.
type seen struct {
	ID     event.ID
	Stored bool
	Secret bool // the moderator may not read it
	Kind   uint16
	At     int64
	Text   string
}

const (
	mostSeen = 5    // events of one case
	mostText = 4000 // bytes of one
)

func readReports(ctx context.Context, v *visit) (any, error) {
	cases := v.deps.Desk.Cases()
	slices.SortStableFunc(cases, func(a, b moderation.Case) int { return b.Last.Compare(a.Last) })
	out := &reports{More: max(len(cases)-onePage, 0), Erase: v.rank.May(desk.Erasing)}
	cases = cases[:min(len(cases), onePage)]
	var ids []event.ID
	for _, c := range cases {
		ids = append(ids, c.Events[:min(len(c.Events), mostSeen)]...)
	}
	stored, err := v.deps.Desk.Reported(ctx, ids)
	if err != nil {
		return nil, err
	}
	for _, c := range cases {
		one := reported{Case: c, More: max(len(c.Events)-mostSeen, 0)}
		for _, id := range c.Events[:min(len(c.Events), mostSeen)] {
			one.Seen = append(one.Seen, v.seen(id, stored[id]))
		}
		out.Cases = append(out.Cases, one)
	}
	return out, nil
}

// seen shows an event to a moderator as any other reader: messages between others are not.
func (v *visit) seen(id event.ID, e *event.Event) seen {
	switch {
	case e == nil:
		return seen{ID: id}
	case !v.deps.Readable(v.session.key, e):
		return seen{ID: id, Stored: true, Secret: true}
	}
	text := e.Content
	if len(text) > mostText {
		text = strings.ToValidUTF8(text[:mostText], "") + " …"
	}
	return seen{ID: id, Stored: true, Kind: e.Kind, At: e.CreatedAt, Text: text}
}

type bans struct {
	Authors         []desk.Banned
	Events          []desk.Ruled
	Blocked         []desk.Blocked
	Counts          [3]int
	From, Older     int
	Erase, Networks bool
}

// readBans shows the newest first.
func readBans(_ context.Context, v *visit) (any, error) {
	authors, events := v.deps.Desk.BannedAuthors(), v.deps.Desk.RuledEvents()
	slices.Reverse(authors)
	slices.Reverse(events)
	b := &bans{Erase: v.rank.May(desk.Erasing), Networks: v.rank.May(desk.Addresses)}
	var blocked []desk.Blocked
	if b.Networks {
		blocked = v.deps.Desk.BlockedAddresses()
	}
	b.Counts = [3]int{len(authors), len(events), len(blocked)}
	b.From, _ = strconv.Atoi(v.r.URL.Query().Get("from")) // the first for what is no number
	b.From = max(b.From, 0)
	b.Authors, b.Events, b.Blocked = part(authors, b.From), part(events, b.From), part(blocked, b.From)
	if slices.Max(b.Counts[:]) > b.From+onePage {
		b.Older = b.From + onePage
	}
	return b, nil
}

func part[T any](list []T, from int) []T {
	from = min(from, len(list))
	return list[from:min(from+onePage, len(list))]
}

type auditLog struct {
	List  []state.Change
	Asked string
	Older string // the query of the next page, "" if there is none
}

func readLog(ctx context.Context, v *visit) (any, error) {
	asked := form{v.r.URL.Query()}
	l := &auditLog{Asked: asked.text("of")}
	subject := l.Asked
	if pk, err := nip19.ParsePubKey(subject); err == nil {
		subject = pk.String()
	} else if id, err := nip19.ParseEventID(subject); err == nil {
		subject = id.String()
	}
	var err error
	l.List, err = v.deps.Desk.State().Changes(ctx, subject, before(asked), onePage)
	if len(l.List) == onePage {
		l.Older = url.Values{"of": {l.Asked}, "before": {strconv.FormatInt(l.List[onePage-1].Nth, 10)}}.Encode()
	}
	return l, err
}
