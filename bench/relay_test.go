package bench

import (
	"cmp"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/gobwas/ws"
	"github.com/gobwas/ws/wsutil"
	"github.com/nbd-wtf/go-nostr"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy"
	"github.com/nbd-wtf/go-nostr/nip77/negentropy/storage/vector"

	"moa/nips/event"
	"moa/nips/reason"
	"moa/nips/testwait"
	"moa/nips/wire"
)

// flaws are what a small relay does wrong. The zero flaws make a correct one.
type flaws struct {
	forget        int  // every nth note gets its OK and is not kept
	keepLate      bool // an event is found from the second query on that asks for it
	writeBehind   int  // an event gets its OK before it is on disk: when so many others have come
	noOK          int  // every nth event gets no OK
	okTwice       int
	okUnknown     int // every nth OK is followed by one for an event of nobody
	ignoreLimit   bool
	oldestFirst   bool
	tiesReversed  bool // of one second, the highest id comes first
	loseStored    int  // every nth event of an answer is left out
	doubleStored  int
	wrongStored   bool // #e filters find #p
	noEOSE        int  // every nth REQ gets no EOSE
	eoseTwice     int
	dropLive      int // every nth delivery is lost
	doubleLive    int
	reorderLive   int // every nth event is delivered after the next
	wrongLive     int // every nth event goes to everybody
	keepReplaced  bool
	keepDeleted   bool
	keepEphemeral bool
	alter         int  // every nth event of an answer comes back changed
	refuse        int  // every nth event is refused
	stray         int  // every nth EOSE is followed by an event for nobody
	garbage       int  // every nth EOSE is followed by what is no message
	hangUp        int  // the connection ends at every nth EOSE
	refuseConn    int  // every nth connection is not taken
	gap           bool // a subscription goes live a moment after its query
	overlap       bool // a subscription is live a moment before its query
	auth          bool
	leakWraps     bool
	refuseAuth    bool
}

// nth counts calls and is true at every nth; never for 0.
type nth struct{ count int }

func (c *nth) hit(n int) bool {
	c.count++
	return n > 0 && c.count%n == 0
}

// tinyRelay is a relay in memory: slow, simple, and correct but for its flaws.
type tinyRelay struct {
	flaws
	url  string
	kill func()

	mu      sync.Mutex // guards the following
	events  []*event.Event
	seen    map[event.ID]bool
	disk    map[event.ID]bool // what a crash leaves
	behind  []event.ID        // waits to be written
	deleted map[event.ID]bool
	late    []*event.Event // not yet found by queries
	conns   map[*tinyConn]bool
	dead    bool
	held    []func() // deliveries of an event that waits for the next

	puts, oks, oks2, refuses    nth
	answers, answers2, answers3 nth
	eoses, eoses2               nth
	lives, lives2               nth
	orders, wrongs              nth
	unknowns, calls             nth
	strays, garbages, hangUps   nth
}

type tinyConn struct {
	net  net.Conn
	subs map[string][]*event.Filter
	self string // the public key that has authenticated
	neg  *negentropy.Negentropy
	mu   sync.Mutex // guards writes
}

func startTiny(t testing.TB, f flaws) *tinyRelay { return startTinyOn(t, "127.0.0.1:0", f) }

func startTinyOn(t testing.TB, address string, f flaws) *tinyRelay {
	var l net.Listener
	testwait.Eventually(t, "it listens on "+address, func() (ok bool) { // for a moment another connection may have the port
		var err error
		l, err = net.Listen("tcp", address)
		return err == nil
	})
	r := &tinyRelay{flaws: f, url: "ws://" + l.Addr().String(), seen: map[event.ID]bool{}, disk: map[event.ID]bool{}, deleted: map[event.ID]bool{}, conns: map[*tinyConn]bool{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { r.serve(conn) })
		}
	})
	r.kill = sync.OnceFunc(func() {
		l.Close()
		r.mu.Lock()
		r.dead = true
		for c := range r.conns {
			c.net.Close()
		}
		r.mu.Unlock()
		wg.Wait()
	})
	t.Cleanup(r.kill)
	return r
}

func (r *tinyRelay) serve(conn net.Conn) {
	defer conn.Close()
	r.mu.Lock()
	refuse := r.calls.hit(r.refuseConn)
	r.mu.Unlock()
	if refuse {
		return
	}
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	r.talk(conn)
}

// startTinyWithInfo starts a relay that has a NIP-11 document.
func startTinyWithInfo(t testing.TB, f flaws, info string) *tinyRelay {
	r := startTiny(t, f)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Upgrade") == "" {
			io.WriteString(w, info)
			return
		}
		if conn, _, _, err := ws.UpgradeHTTP(req, w); err == nil {
			defer conn.Close()
			r.talk(conn)
		}
	}))
	t.Cleanup(func() { r.kill(); server.Close() })
	r.url = "ws" + strings.TrimPrefix(server.URL, "http")
	return r
}

// talk answers one connection until it ends.
func (r *tinyRelay) talk(conn net.Conn) {
	c := &tinyConn{net: conn, subs: map[string][]*event.Filter{}}
	r.mu.Lock()
	r.conns[c] = true
	dead := r.dead
	r.mu.Unlock()
	if dead {
		return
	}
	defer func() {
		r.mu.Lock()
		delete(r.conns, c)
		r.mu.Unlock()
	}()
	for {
		frame, err := wsutil.ReadClientText(conn)
		if err != nil {
			return
		}
		m, err := wire.Parse(frame)
		if err != nil {
			c.send(wire.AppendNotice(nil, err.Error()))
			continue
		}
		r.mu.Lock()
		switch m.Verb {
		case wire.Event:
			r.put(c, m.Event)
		case wire.Req:
			r.query(c, m.SubID, m.Filters)
		case wire.Close:
			delete(c.subs, m.SubID)
		case wire.Auth:
			r.authenticate(c, m.Event)
		case wire.NegOpen, wire.NegMsg:
			r.reconcile(c, m)
		}
		r.mu.Unlock()
	}
}

func (c *tinyConn) send(m []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	wsutil.WriteServerText(c.net, m)
}

func (r *tinyRelay) put(c *tinyConn, raw []byte) {
	e, err := event.Parse(slices.Clone(raw))
	if err != nil {
		c.send(wire.AppendOK(nil, "", false, reason.Invalid, err.Error()))
		return
	}
	ok := func(yes bool, why reason.Reason, text string) {
		if r.oks.hit(r.noOK) {
			return
		}
		c.send(wire.AppendOK(nil, e.ID.String(), yes, why, text))
		if r.unknowns.hit(r.okUnknown) {
			c.send(wire.AppendOK(nil, strings.Repeat("0", 64), yes, why, text))
		}
		if r.oks2.hit(r.okTwice) {
			c.send(wire.AppendOK(nil, e.ID.String(), yes, why, text))
		}
	}
	if r.refuses.hit(r.refuse) {
		ok(false, reason.Blocked, "not today")
		return
	}
	if r.seen[e.ID] {
		ok(true, reason.Duplicate, "have it")
		return
	}
	if !r.keepReplaced && !r.replace(e) {
		ok(false, reason.Duplicate, "a newer version is stored")
		return
	}
	r.seen[e.ID] = true
	switch {
	case event.Ephemeral(e.Kind) && !r.keepEphemeral, e.Kind == event.KindNote && r.puts.hit(r.forget):
	case r.keepLate:
		r.late = append(r.late, e)
	default:
		r.events = append(r.events, e)
	}
	if e.Kind == event.KindDeletion && !r.keepDeleted {
		ids, _ := e.Targets()
		for _, id := range ids {
			r.deleted[id] = true
		}
		r.events = slices.DeleteFunc(r.events, func(old *event.Event) bool {
			return old.PubKey == e.PubKey && slices.ContainsFunc(e.Tags, func(t event.Tag) bool { return t[0] == "e" && t.Value() == old.ID.String() })
		})
	}
	if r.behind = append(r.behind, e.ID); len(r.behind) > r.writeBehind {
		r.disk[r.behind[0]] = true
		r.behind = r.behind[1:]
	}
	ok(true, "", "")
	r.publish(e)
}

// replace removes older versions; false: e is the older one.
func (r *tinyRelay) replace(e *event.Event) bool {
	if !event.Replaceable(e.Kind) && !event.Addressable(e.Kind) {
		return true
	}
	same := func(o *event.Event) bool {
		return o.Kind == e.Kind && o.PubKey == e.PubKey && (event.Replaceable(e.Kind) || o.D() == e.D())
	}
	if slices.ContainsFunc(r.events, func(o *event.Event) bool {
		return same(o) && !event.Newer(e.CreatedAt, e.ID, o.CreatedAt, o.ID)
	}) {
		return false
	}
	r.events = slices.DeleteFunc(r.events, same)
	return true
}

func matchesAny(filters []*event.Filter, e *event.Event) bool {
	return slices.ContainsFunc(filters, func(f *event.Filter) bool { return f.Matches(e) })
}

func (r *tinyRelay) publish(e *event.Event) {
	all := r.wrongs.hit(r.wrongLive)
	var deliver []func()
	for c := range r.conns {
		for sub, filters := range c.subs {
			if !all && !matchesAny(filters, e) {
				continue
			}
			deliver = append(deliver, func() {
				if r.lives.hit(r.dropLive) {
					return
				}
				c.send(wire.AppendEvent(nil, sub, e.Raw))
				if r.lives2.hit(r.doubleLive) {
					c.send(wire.AppendEvent(nil, sub, e.Raw))
				}
			})
		}
	}
	if r.orders.hit(r.reorderLive) && r.held == nil {
		r.held = deliver
		return
	}
	deliver, r.held = append(deliver, r.held...), nil
	for _, d := range deliver {
		d()
	}
}

func (r *tinyRelay) authenticate(c *tinyConn, raw []byte) {
	e, err := event.Parse(slices.Clone(raw))
	if err != nil || r.refuseAuth {
		c.send(wire.AppendOK(nil, e.ID.String(), false, reason.Restricted, "no"))
		return
	}
	c.self = e.PubKey.String()
	c.send(wire.AppendOK(nil, e.ID.String(), true, "", ""))
}

func (r *tinyRelay) reconcile(c *tinyConn, m wire.Message) {
	if m.Verb == wire.NegOpen {
		v := vector.New()
		for _, e := range r.events {
			if matchesAny(m.Filters, e) {
				v.Insert(nostr.Timestamp(e.CreatedAt), e.ID.String())
			}
		}
		v.Seal()
		c.neg = negentropy.New(v, 0)
	}
	answer, err := c.neg.Reconcile(m.Neg)
	if err != nil {
		c.send(wire.AppendNegErr(nil, m.SubID, reason.Invalid, err.Error(), 0))
		return
	}
	c.send(wire.AppendNegMsg(nil, m.SubID, answer))
}

// hidden reports a gift wrap that this connection may not see.
func (r *tinyRelay) hidden(c *tinyConn, e *event.Event) bool {
	if !r.auth || r.leakWraps || e.Kind != event.KindGiftWrap {
		return false
	}
	to, _ := e.Value("p")
	return to != c.self
}

// pause lets others in until an event has come, or none comes.
func (r *tinyRelay) pause() {
	before := len(r.seen)
	for end := time.Now().Add(time.Second); len(r.seen) == before && time.Now().Before(end); {
		r.mu.Unlock()
		time.Sleep(time.Millisecond)
		r.mu.Lock()
	}
}

// keep makes findable what a query has asked for in vain.
func (r *tinyRelay) keep(filters []*event.Filter) {
	rest := r.late[:0]
	for _, e := range r.late {
		switch {
		case r.deleted[e.ID]:
		case matchesAny(filters, e):
			r.events = append(r.events, e)
		default:
			rest = append(rest, e)
		}
	}
	r.late = rest
}

func (r *tinyRelay) query(c *tinyConn, sub string, filters []*event.Filter) {
	if r.auth && c.self == "" && slices.ContainsFunc(filters, func(f *event.Filter) bool { return f.Kinds != nil && f.HasKind(event.KindGiftWrap) }) {
		c.send(wire.AppendAuth(nil, "challenge"))
		if !r.leakWraps {
			c.send(wire.AppendClosed(nil, sub, reason.AuthRequired, "who are you?"))
			return
		}
	}
	if r.overlap {
		c.subs[sub] = filters
		r.pause()
	}
	found := map[event.ID]*event.Event{}
	for _, f := range filters {
		if r.wrongStored {
			f = wrongFilter(f)
		}
		var hits []*event.Event
		for _, e := range r.events {
			if f.Matches(e) && !r.hidden(c, e) {
				hits = append(hits, e)
			}
		}
		slices.SortFunc(hits, newestFirst)
		if f.HasLimit && !r.ignoreLimit && len(hits) > f.Limit {
			hits = hits[:f.Limit]
		}
		for _, e := range hits {
			found[e.ID] = e
		}
	}
	r.keep(filters)
	answer := make([]*event.Event, 0, len(found))
	for _, e := range found {
		answer = append(answer, e)
	}
	slices.SortFunc(answer, newestFirst)
	if r.oldestFirst {
		slices.Reverse(answer)
	}
	if r.tiesReversed {
		slices.SortFunc(answer, func(a, b *event.Event) int {
			return cmp.Or(cmp.Compare(b.CreatedAt, a.CreatedAt), event.CompareIDs(b.ID, a.ID))
		})
	}
	for _, e := range answer {
		if r.answers.hit(r.loseStored) {
			continue
		}
		raw := e.Raw
		if r.answers3.hit(r.alter) {
			raw = append(slices.Clone(raw[:len(raw)-3]), `0"}`...)
			if raw[len(raw)-3] == e.Raw[len(raw)-3] {
				raw[len(raw)-3] = '1'
			}
		}
		c.send(wire.AppendEvent(nil, sub, raw))
		if r.answers2.hit(r.doubleStored) {
			c.send(wire.AppendEvent(nil, sub, raw))
		}
	}
	if r.gap {
		r.pause()
	}
	c.subs[sub] = filters
	if r.eoses.hit(r.noEOSE) {
		return
	}
	c.send(wire.AppendEOSE(nil, sub, wire.HintNone))
	if r.eoses2.hit(r.eoseTwice) {
		c.send(wire.AppendEOSE(nil, sub, wire.HintNone))
	}
	if r.strays.hit(r.stray) && len(r.events) > 0 {
		c.send(wire.AppendEvent(nil, "nobody", r.events[0].Raw))
	}
	if r.garbages.hit(r.garbage) {
		c.send([]byte(`{"hello":"world"}`))
	}
	if r.hangUps.hit(r.hangUp) {
		c.net.Close()
	}
}

// wrongFilter takes #p for #e and forgets the authors.
func wrongFilter(f *event.Filter) *event.Filter {
	wrong := *f
	wrong.Authors = nil
	wrong.Tags = slices.Clone(f.Tags)
	for i := range wrong.Tags {
		if wrong.Tags[i].Name == 'e' {
			wrong.Tags = slices.Delete(wrong.Tags, i, i+1)
			break
		}
	}
	return &wrong
}
